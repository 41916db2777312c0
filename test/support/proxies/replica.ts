import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Listening, listen } from '../../../src/dev/listen.ts'

/** What a replica does with a request that says so in `x-behave`. */
export type Behaviour = 'answer' | 'stream' | 'cut'

export type SeenRequest = {
  method: string
  behaviour: Behaviour
  headers: IncomingMessage['headers']
  /** Whether whoever asked has gone before it was answered. */
  isAborted: boolean
}

/** What a load balancer has behind it: as a gateway's listeners are, and as ill-behaved as a test wants. */
export type Replica = {
  seen: SeenRequest[]
  /** Connections that were made to the public listener. */
  connections(): number
  setReady(isReady: boolean): void
  /** Sends the second event of each open stream, and ends it. */
  release(): void
  /** Idle connections end now, others with their answer, so that the next request needs a new one. */
  keepNoConnection(): void
  /** Refuses connections from now on, as if it had died. */
  stopListening(): Promise<void>
  close(): Promise<void>
}

/** @param address of loopback, so that several can have the same ports */
export async function startReplica(
  address: string,
  { port, opsPort }: { port: number; opsPort: number },
): Promise<Replica> {
  const seen: SeenRequest[] = []
  const streams = new Set<ServerResponse>()
  let connections = 0
  let isReady = true
  let keepsConnections = true
  const server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => {
    const behaviour = (req.headers['x-behave'] ?? 'answer') as Behaviour
    const request = { method: req.method ?? '', behaviour, headers: req.headers, isAborted: false }
    seen.push(request)
    if (!keepsConnections) res.setHeader('connection', 'close')
    res.on('close', () => {
      request.isAborted = !res.writableFinished
    })
    req.resume().on('end', () => behave(behaviour, req, res, streams))
  })
  server.on('connection', () => {
    connections += 1
  })
  const ops = createServer((req, res) => {
    res.writeHead(isReady && req.url === '/readyz' ? 200 : 503).end('{}')
  })
  const listening: Listening[] = [
    await listen(server, port, address),
    await listen(ops, opsPort, address),
  ]
  const closeAll = async () => void (await Promise.all(listening.map(({ close }) => close())))
  return {
    seen,
    connections: () => connections,
    setReady: ready => {
      isReady = ready
    },
    release: () => {
      for (const stream of streams) stream.end('data: second\n\n')
      streams.clear()
    },
    keepNoConnection: () => {
      keepsConnections = false
      server.closeIdleConnections()
    },
    stopListening: closeAll,
    close: closeAll,
  }
}

function behave(
  behaviour: Behaviour,
  { socket }: IncomingMessage,
  res: ServerResponse,
  streams: Set<ServerResponse>,
): void {
  if (behaviour === 'cut') socket.destroy()
  else if (behaviour === 'answer')
    res.writeHead(200, { 'content-type': 'text/plain' }).end('answer')
  else if (behaviour === 'stream') {
    // Without the `x-accel-buffering` that a gateway adds: the sample has to do by itself.
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: first\n\n')
    streams.add(res)
  }
}
