import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { listen } from '../../src/dev/listen.ts'
import type { Network } from '../../src/http/guarded-connector.ts'
import { createSelfSigned } from './self-signed.ts'

export type Answer = {
  status?: number
  headers?: Record<string, string>
  /** What is no string is sent as JSON. */
  body?: unknown
}

export type Publish = Answer | ((request: IncomingMessage, response: ServerResponse) => void)

export type DocumentServer = {
  port: number
  /** The URL of a path on one of its hosts. */
  url(path: string, host?: string): string
  /** What is answered at a path from now on; elsewhere 404. */
  publish(path: string, answer: Publish): void
  /** Every request, in order. */
  seen: { host: string; path: string; headers: IncomingHttpHeaders }[]
  /** A network in which all its hosts resolve to it, and nothing else may be connected to. */
  network: Network
  /** Breaks every connection as it comes, until `comeBack`. */
  goDown(): void
  comeBack(): void
  close(): Promise<void>
}

export const DOCUMENT_HOST = 'app.example.com'
const ADDRESS = '127.0.0.1'

/** A real https server of clients' documents on loopback, under public names. */
export async function startDocumentServer(
  hosts: readonly string[] = [DOCUMENT_HOST],
): Promise<DocumentServer> {
  const { cert, key } = createSelfSigned(hosts)
  const published = new Map<string, Publish>()
  const seen: DocumentServer['seen'] = []
  let isDown = false
  const server = createServer({ cert, key }, (request, response) => {
    const path = request.url ?? ''
    seen.push({ host: request.headers.host ?? '', path, headers: request.headers })
    const answer = published.get(path) ?? { status: 404, body: {} }
    if (typeof answer === 'function') answer(request, response)
    else send(response, answer)
  })
  server.on('connection', socket => isDown && socket.destroy())
  const { port, close } = await listen(server, 0, ADDRESS)
  return {
    port,
    url: (path, host = hosts[0] ?? DOCUMENT_HOST) => `https://${host}:${port}${path}`,
    publish: (path, answer) => void published.set(path, answer),
    seen,
    network: {
      ca: cert,
      isAllowed: address => address === ADDRESS,
      resolve: async hostname =>
        hosts.includes(hostname) ? [{ address: ADDRESS, family: 4 }] : [],
    },
    goDown: () => {
      isDown = true
    },
    comeBack: () => {
      isDown = false
    },
    close,
  }
}

function send(response: ServerResponse, { status = 200, headers, body = '' }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** A server that must never be reached: counts connections and bytes. */
export type InternalServer = {
  connections: number
  bytes: number
  port: number
  close(): Promise<void>
}

export async function startInternalServer(host: string, port = 0): Promise<InternalServer> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    internal.connections += 1
    sockets.add(socket)
    socket.on('data', chunk => {
      internal.bytes += chunk.byteLength
    })
    socket.on('error', () => socket.destroy())
  })
  const internal: InternalServer = {
    connections: 0,
    bytes: 0,
    port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address !== null && typeof address === 'object') internal.port = address.port
  return internal
}

/** Reaches it, to show that it counts. */
export async function knock(host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, host, () => socket.end('knock', () => resolve()))
    socket.once('error', reject)
  })
}
