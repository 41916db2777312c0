import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

/** What a listener proves who it is with; PEM. */
export type TlsMaterial = {
  /** The certificate, then its intermediates. */
  cert: string
  key: string
  /** Whose certificates callers must have: the handshake of any other fails. Whether there is one is settled when the listener is made. */
  clientCa?: string
}

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export type ListenerOptions = {
  /** What answers at exactly this path; the path is as it stands in the request line, without its query. */
  find: (path: string) => Handler | undefined
  /** Answers everything else. */
  rest: Handler
  /** Longer than any load balancer's in front of us, which would otherwise send into a connection that we are closing. */
  keepAliveTimeoutMs?: number
  /** From a request's first byte to the end of its head. */
  headersTimeoutMs?: number
  /** From a request's first byte to the end of its body. An answer may take as long as it likes. */
  requestTimeoutMs?: number
  /** Request line and fields together; more is answered with 431. */
  maxHeaderBytes?: number
  /** How often the two timeouts are looked at. */
  checkIntervalMs?: number
  /** Plain HTTP without it. */
  tls?: TlsMaterial
}

export type Listener = {
  listen(port: number, host?: string): Promise<AddressInfo>
  /**
   * New connections get this from now on; those that are open go on.
   *
   * @throws where certificate and key do not fit; nothing has changed then
   */
  renewTls(material: TlsMaterial): void
  /**
   * Stops accepting, lets what is under way be answered (telling the clients that the connection ends), and breaks what is left at the deadline. Idle connections end
   * at once. Resolves when no connection is left.
   */
  close(deadlineMs: number): Promise<void>
}

const REASONS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}
const BAD_REQUEST = '400 Bad Request'
const HANDSHAKE_TIMEOUT_MS = 10_000

/** One HTTP listener. Malformed requests are refused here, by Node's strict parser, and no handler sees them. */
export function createListener(options: ListenerOptions): Listener {
  const { find, rest } = options
  /** The latest answer of each open connection. */
  const connections = new Map<Socket, ServerResponse | undefined>()
  /** Those whose handshake is not over are here alone. */
  const accepted = new Set<Socket>()
  let isClosing = false

  const dispatch: Handler = (req, res) => {
    connections.set(req.socket, res)
    if (isClosing) res.setHeader('connection', 'close')
    if (hasSeveralHosts(req.rawHeaders)) return refuseHosts(res)
    const handler = find(pathOf(req.url ?? '')) ?? rest
    handler(req, res)
  }

  const { server, renewTls } = createHttpServer(options.tls, {
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 75_000,
    headersTimeout: options.headersTimeoutMs ?? 30_000,
    requestTimeout: options.requestTimeoutMs ?? 120_000,
    connectionsCheckingInterval: options.checkIntervalMs ?? 5_000,
    maxHeaderSize: options.maxHeaderBytes ?? 16_384,
    insecureHTTPParser: false,
    requireHostHeader: true,
  })
  server.on('request', dispatch)
  // Not `100 Continue` by itself: the handler decides whether it wants the body.
  server.on('checkContinue', dispatch)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    refuseMalformed(error.code ?? '', socket as Socket, connections.get(socket as Socket))
  })
  server.on('connection', (socket: Socket) => {
    accepted.add(socket)
    socket.once('close', () => accepted.delete(socket))
  })
  // Behind TLS the socket of a request is not the one that was accepted.
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, undefined)
    socket.once('close', () => connections.delete(socket))
    if (isClosing) socket.destroy()
  })

  return {
    listen: (port, host) => listen(server, port, host),
    renewTls,
    async close(deadlineMs) {
      isClosing = true
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const [socket, res] of connections) endAfter(socket, res)
      for (const socket of accepted) if (socket.bytesRead === 0) socket.destroy()
      const deadline = setTimeout(() => {
        for (const socket of accepted) socket.destroy()
      }, deadlineMs)
      await closed
      clearTimeout(deadline)
    },
  }
}

type Tunables = NonNullable<Parameters<typeof createServer>[0]>

function createHttpServer(
  tls: TlsMaterial | undefined,
  tunables: Tunables,
): { server: Server; renewTls: Listener['renewTls'] } {
  if (!tls) {
    const renewTls = (): never => {
      throw new TypeError('a listener without TLS has nothing to renew')
    }
    return { server: createServer(tunables), renewTls }
  }
  const server = createTlsServer({
    ...tunables,
    ...describeTls(tls),
    requestCert: tls.clientCa !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    ALPNProtocols: ['http/1.1'],
  })
  return { server, renewTls: material => server.setSecureContext(describeTls(material)) }
}

/** @see RFC 9325 section 3.1.1 */
function describeTls({ cert, key, clientCa }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa !== undefined && { ca: clientCa }) }
}

function listen(server: Server, port: number, host: string | undefined): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('not a TCP listener'))
      else resolve(address)
    })
  })
}

/** Node lets several pass and shows the first; somebody else may read another. RFC 9112 section 3.2. */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}

function refuseHosts(res: ServerResponse): void {
  res.writeHead(400, ['connection', 'close', 'content-length', '0'])
  res.end()
}

function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** @param res the latest answer on this connection */
function endAfter(socket: Socket, res: ServerResponse | undefined): void {
  // Opened ahead of need by a load balancer, perhaps; Node does not count it as idle yet.
  if (!res && socket.bytesRead === 0) socket.destroy()
  if (!res || res.writableFinished) return
  if (!res.headersSent) res.setHeader('connection', 'close')
  else res.once('close', () => socket.end())
}

/** Says no more than the status; where an answer has begun, its client would take the text for a part of it. */
function refuseMalformed(code: string, socket: Socket, res: ServerResponse | undefined): void {
  const isAnswering = res?.headersSent && !res.writableFinished
  if (!socket.writable || isAnswering || code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = REASONS[code] ?? BAD_REQUEST
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
