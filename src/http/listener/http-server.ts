import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

/** What a listener proves who it is with; PEM. */
export type TlsMaterial = {
  /** The certificate, then its intermediates. */
  cert: string
  key: string
  /** Whose certificates callers must have: the handshake of any other fails. Whether there is one is settled when the listener is made. */
  clientCa?: string
}

/** Node's server, with TLS or without. */
export type HttpServer = {
  server: Server
  /** Calls back for each connection on which a request may come: where there is TLS, after the handshake. */
  onConnection(listener: (socket: Socket) => void): void
  /** @see Listener.renewTls */
  renewTls(material: TlsMaterial): void
  /** Ends handshakes: those that have not begun, or all of them. */
  endHandshakes(which: 'unbegun' | 'all'): void
}

type Tunables = NonNullable<Parameters<typeof createServer>[0]>

const HANDSHAKE_TIMEOUT_MS = 10_000

export function createHttpServer(tls: TlsMaterial | undefined, tunables: Tunables): HttpServer {
  return tls ? createSecureServer(tls, tunables) : createPlainServer(tunables)
}

function createPlainServer(tunables: Tunables): HttpServer {
  const server = createServer(tunables)
  return {
    server,
    onConnection: listener => void server.on('connection', listener),
    renewTls() {
      throw new TypeError('a listener without TLS has nothing to renew')
    },
    endHandshakes() {},
  }
}

function createSecureServer(tls: TlsMaterial, tunables: Tunables): HttpServer {
  const server = createTlsServer({
    ...tunables,
    ...describeTls(tls),
    requestCert: tls.clientCa !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    ALPNProtocols: ['http/1.1'],
  })
  // Those whose handshake is not over are known by nobody else.
  const accepted = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    accepted.add(socket)
    socket.once('close', () => accepted.delete(socket))
  })
  return {
    server,
    onConnection: listener => void server.on('secureConnection', listener),
    renewTls: material => server.setSecureContext(describeTls(material)),
    endHandshakes(which) {
      for (const socket of accepted) if (which === 'all' || socket.bytesRead === 0) socket.destroy()
    },
  }
}

/** @see RFC 9325 section 3.1.1 */
function describeTls({ cert, key, clientCa }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa !== undefined && { ca: clientCa }) }
}
