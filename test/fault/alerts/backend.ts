import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from '../../../src/dev/listen.ts'

/** An instance of a backend that does what it is told. */
export type Instance = {
  url: string
  /** How calls are answered from now on. `hang`: not before another mode is set. */
  behave(mode: 'well' | 'fail' | 'hang'): void
  goDown(): Promise<void>
  comeBack(): Promise<void>
}

const STATUS = { well: 200, fail: 500 } as const

export async function startInstance(): Promise<Instance> {
  let mode: 'well' | 'fail' | 'hang' = 'well'
  const waiting = new Set<ServerResponse>()
  const answer = (res: ServerResponse, status: number): void => {
    res.writeHead(status, { 'content-type': 'application/json' })
    res.end('{"jsonrpc":"2.0","id":1,"result":{}}')
  }
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    req.resume().on('end', () => {
      if (mode === 'hang') waiting.add(res)
      else answer(res, STATUS[mode])
    })
  }
  const server = createServer(serve)
  const first = await listen(server, 0, '127.0.0.1')
  return {
    url: `${first.origin}/mcp`,
    behave: next => {
      mode = next
      if (next === 'hang') return
      for (const res of waiting) answer(res, STATUS[next])
      waiting.clear()
    },
    goDown: async () => {
      server.closeAllConnections()
      await first.close()
    },
    comeBack: async () => void (await listen(server, first.port, '127.0.0.1')),
  }
}
