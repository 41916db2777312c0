import {
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'
import { pipeline } from 'node:stream'
import { listen } from '../../src/dev/listen.ts'

export type RoundRobin = {
  origin: string
  /** Which replica each request went to, in order. */
  trace: { method: string; path: string; replica: number }[]
  /** Sends the next request, and only that one, to this replica; then the order goes on from there. */
  next(replica: number): void
  /** Takes a replica out, as a load balancer does with one that is dead. */
  remove(replica: number): void
  /** Puts it back, maybe at another origin. */
  restore(replica: number, origin?: string): void
  close(): Promise<void>
}

/**
 * A load balancer without affinity: each HTTP request goes to the next replica in strict order, over a connection of its own. It streams both ways, and passes on
 * that either side has gone.
 *
 * @param replicas origins
 */
export async function startRoundRobin(replicas: readonly string[], port = 0): Promise<RoundRobin> {
  const origins = [...replicas]
  const removed = new Set<number>()
  const trace: RoundRobin['trace'] = []
  let turn = 0
  const take = (): number | undefined => {
    for (let tries = 0; tries < origins.length; tries++) {
      const replica = turn % origins.length
      turn = replica + 1
      if (!removed.has(replica)) return replica
    }
    return undefined
  }
  const server = createServer((request, response) => {
    const replica = take()
    const origin = replica === undefined ? undefined : origins[replica]
    if (replica === undefined || origin === undefined) return void response.writeHead(503).end()
    trace.push({ method: request.method ?? '', path: request.url?.split('?')[0] ?? '', replica })
    forward(origin, request, response)
  })
  const { origin, close } = await listen(server, port, '127.0.0.1')
  return {
    origin,
    trace,
    next: replica => {
      turn = replica
    },
    remove: replica => removed.add(replica),
    restore: (replica, moved) => {
      removed.delete(replica)
      if (moved !== undefined) origins[replica] = moved
    },
    close,
  }
}

function forward(origin: string, request: IncomingMessage, response: ServerResponse): void {
  const outgoing = openRequest(origin + request.url, {
    method: request.method ?? 'GET',
    headers: [...withoutHop(request.rawHeaders), 'connection', 'close'],
    agent: false,
  })
  response.on('close', () => outgoing.destroy())
  outgoing.on('error', () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  })
  outgoing.on('response', incoming => {
    response.writeHead(incoming.statusCode ?? 502, withoutHop(incoming.rawHeaders))
    response.flushHeaders()
    pipeline(incoming, response, error => {
      if (error) response.destroy()
    })
  })
  outgoing.flushHeaders()
  request.pipe(outgoing)
}

const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding'])

function withoutHop(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, index, list) => {
    const name = list[index - (index % 2)] ?? ''
    return !HOP.has(name.toLowerCase())
  })
}
