import { IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { type AddressInfo, type ListenOptions, Server as NetServer, type Socket } from 'node:net'
import { ClientConnection } from './listener/client-connection.ts'
import { createHttpServer, type TlsMaterial } from './listener/http-server.ts'
import { findFault, type RefusalReason, type RequestFault } from './listener/request-faults.ts'

export type { TlsMaterial } from './listener/http-server.ts'

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export type ListenerOptions = {
  /** What answers at exactly this path; the path is as it stands in the request line, without its query. */
  find: (path: string) => Handler | undefined
  /** Answers everything else. */
  rest: Handler
  /**
   * How long a connection may rest between two requests, coarse and never shorter. Longer than any load balancer's in front of us, which would otherwise send into a
   * connection that we are closing.
   */
  keepAliveMs?: number
  /** From a request's first byte to the end of its head; and how long a client may then bring next to nothing of its body. Twice as long it may take nothing of an answer. */
  stallMs?: number
  /** From a request's first byte to the end of its body. An answer may take as long as it likes. */
  requestTimeoutMs?: number
  /** Request line and fields together; more is answered with 431. */
  maxHeaderBytes?: number
  /** Whether other processes may listen on the same port; the system spreads the connections. */
  reusePort?: boolean
  /** Fields of one request; more are answered with 431. */
  maxHeaderFields?: number
  /** What the handlers get as requests, made by Node. Default: its own class. @see ClientRequest */
  requestClass?: typeof IncomingMessage
  /** Plain HTTP without it. */
  tls?: TlsMaterial
  /** Learns of each request, or connection, that is refused here. */
  onRefused?: (reason: RefusalReason) => void
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
   * after a moment in which a request that is on its way is still answered. Resolves when no connection is left.
   */
  close(deadlineMs: number): Promise<void>
}

const KEEP_ALIVE_MS = 75_000
const REQUEST_TIMEOUT_MS = 120_000
const STALL_MS = 30_000
const LONGEST_TICK_MS = 5000
const HEADER_FIELDS = 128
/** In which whoever uses a connection learns, by an answer, that it ends. */
const IDLE_GRACE_MS = 1000

const PARSER_FAULTS: Readonly<Record<string, [status: number, RefusalReason]>> = {
  HPE_HEADER_OVERFLOW: [431, 'header_bytes'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'chunk_extensions'],
  HPE_INVALID_EOF_STATE: [400, 'incomplete'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'slow_request'],
}

type Connections = Map<Socket, ClientConnection>

/** One HTTP listener. Malformed requests are refused here, by Node's strict parser and by what it lets pass, and no handler sees them. */
export function createListener(options: ListenerOptions): Listener {
  const { stallMs = STALL_MS, keepAliveMs = KEEP_ALIVE_MS, onRefused = () => undefined } = options
  const connections: Connections = new Map()
  const { dispatch, refuseExpectation, close } = createDispatch(options, connections)
  const tickMs = Math.min(LONGEST_TICK_MS, Math.ceil(Math.min(stallMs, keepAliveMs) / 4))
  const { server, ...secure } = createHttpServer(options.tls, {
    // Node would set a timer with each answer and clear it with the next request.
    keepAliveTimeout: 0,
    headersTimeout: stallMs,
    requestTimeout: Math.max(options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, stallMs),
    connectionsCheckingInterval: tickMs,
    maxHeaderSize: options.maxHeaderBytes ?? 16_384,
    insecureHTTPParser: false,
    requireHostHeader: true,
    IncomingMessage: options.requestClass ?? IncomingMessage,
    shouldUpgradeCallback: ({ socket }) => declineUpgrade(connections.get(socket)),
  })
  // Node would leave out, without a word, what is beyond its number; the size bounds them too.
  server.maxHeadersCount = 0
  server.on('request', dispatch)
  // Not `100 Continue` by itself: the handler decides whether it wants the body.
  server.on('checkContinue', (req, res) => {
    if (req.headers.expect?.toLowerCase() === '100-continue') dispatch(req, res)
    else refuseExpectation(req, res)
  })
  server.on('checkExpectation', refuseExpectation)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const connection = connections.get(socket as Socket)
    const isOver = error.code === 'ECONNRESET' || socket.destroyed || connection?.isEnding
    if (!connection || isOver) return void socket.destroy()
    const [status, reason] = PARSER_FAULTS[error.code ?? ''] ?? [400, 'malformed']
    onRefused(reason)
    connection.refuse(statusLine(status))
  })
  secure.onConnection(socket => {
    connections.set(socket, new ClientConnection(socket))
    socket.once('close', () => connections.delete(socket))
  })
  const clock = setInterval(() => {
    endStalled(connections, stallMs, onRefused)
    endResting(connections, keepAliveMs)
  }, tickMs).unref()

  return {
    listen: (port, host) => listen(server, { port, host, reusePort: options.reusePort }),
    renewTls: secure.renewTls,
    async close(deadlineMs) {
      // Not the HTTP server's own method, which ends idle connections at once.
      const closed = new Promise<void>(resolve => {
        NetServer.prototype.close.call(server, () => resolve())
      })
      const grace = setInterval(close(), Math.min(IDLE_GRACE_MS, deadlineMs / 4))
      secure.endHandshakes('unbegun')
      const deadline = setTimeout(() => {
        server.closeAllConnections()
        secure.endHandshakes('all')
      }, deadlineMs)
      await closed
      clearInterval(grace)
      clearTimeout(deadline)
      clearInterval(clock)
      // Ends the clock of Node's own time limits.
      server.close()
    },
  }
}

/** What becomes of the requests. */
function createDispatch(
  { find, rest, maxHeaderFields = HEADER_FIELDS, onRefused }: ListenerOptions,
  connections: Connections,
) {
  let isClosing = false

  /** @returns nothing where the request came after the last one that is answered on its connection */
  const begin = (req: IncomingMessage, res: ServerResponse): ClientConnection | undefined => {
    const connection = connections.get(req.socket)
    if (!connection || connection.isEnding) return undefined
    // RFC 9112 section 9.6.
    if (connection.latest?.shouldKeepAlive === false) return undefined
    connection.begin(res)
    return connection
  }

  const refuse = (
    connection: ClientConnection,
    res: ServerResponse,
    { status, reason }: RequestFault,
  ): void => {
    connection.isEnding = true
    onRefused?.(reason)
    res.writeHead(status, ['connection', 'close', 'content-length', '0'])
    res.end()
  }

  const dispatch: Handler = (req, res) => {
    const connection = begin(req, res)
    if (!connection) return
    const fault = findFault(req, maxHeaderFields)
    if (fault) return refuse(connection, res, fault)
    if (isClosing || connection.isLast) announceEnd(connection)
    const handler = find(pathOf(req.url ?? '')) ?? rest
    handler(req, res)
  }

  const refuseExpectation: Handler = (req, res) => {
    const connection = begin(req, res)
    if (connection) refuse(connection, res, { status: 417, reason: 'expectation' })
  }

  /** @returns what ends the connections that were idle when it was called last, and still are */
  const close = (): (() => void) => {
    isClosing = true
    for (const connection of connections.values()) announceEnd(connection)
    let idle = idleAmong(connections)
    return () => {
      const still = idleAmong(connections)
      for (const socket of still) if (idle.has(socket)) socket.destroy()
      idle = still
    }
  }

  return { dispatch, refuseExpectation, close }
}

/** Node throws away what came behind such a request in the same piece, and would read on in the middle of something: nothing that follows is a request. */
function declineUpgrade(connection: ClientConnection | undefined): false {
  if (connection) connection.isLast = true
  return false
}

function endStalled(
  connections: Connections,
  stallMs: number,
  onRefused: (reason: RefusalReason) => void,
): void {
  const now = performance.now()
  for (const connection of connections.values()) {
    const stall = connection.findStall(now, stallMs)
    if (!stall) continue
    onRefused(stall)
    if (stall === 'slow_body') connection.refuse(statusLine(408))
    else connection.cut()
  }
}

function endResting(connections: Connections, keepAliveMs: number): void {
  const now = performance.now()
  for (const [socket, connection] of connections) {
    if (connection.isResting(now, keepAliveMs)) socket.destroy()
  }
}

function idleAmong(connections: Connections): Set<Socket> {
  return new Set([...connections].filter(([, { isIdle }]) => isIdle).map(([socket]) => socket))
}

function listen(server: Server, options: ListenOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('not a TCP listener'))
      else resolve(address)
    })
  })
}

function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`
}

function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** Says with the answer that is under way that the connection ends after it, where that can still be said. */
function announceEnd(connection: ClientConnection): void {
  const { latest } = connection
  if (!latest || latest.headersSent) return
  connection.isEnding = true
  latest.setHeader('connection', 'close')
}
