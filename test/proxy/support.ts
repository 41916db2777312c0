import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { AccessTokenClaims } from '../../src/domain/access-token.ts'
import type { Grant } from '../../src/domain/grant.ts'
import { createListener, type ListenerOptions } from '../../src/http/listener.ts'
import { createLogger } from '../../src/observability/log.ts'
import { createAdmission } from '../../src/proxy/admission.ts'
import type { BackendObserver } from '../../src/proxy/backend-observer.ts'
import type { BackendOptions } from '../../src/proxy/backends.ts'
import { IncomingRequest } from '../../src/proxy/incoming-request.ts'
import { createProxy, type ProxyOptions } from '../../src/proxy/proxy.ts'
import type { TimeoutOptions } from '../../src/proxy/time-limits.ts'
import type { FreshToken, Usable } from '../../src/upstream/fresh-token.ts'
import type { UpstreamTokenSource } from '../../src/upstream/tokens.ts'

export const PUBLIC_URL = 'https://mcp.example.com'
export const RESOURCE = `${PUBLIC_URL}/crm/mcp`
export const GOOD_TOKEN = 'good-token'
export const OTHER_RESOURCE_TOKEN = 'token-for-another-resource'
export const EXPIRED_TOKEN = 'expired-token'
export const UPSTREAM_TOKEN = 'upstream-token-1'

export const NOW = 1_800_000_000

export type Seen = { method: string; url: string; rawHeaders: string[]; body: string }
export type Backend = {
  url: string
  seen: Seen[]
  /** The value of a field in the latest request. */
  field(name: string): string | undefined
  close(): void
}

/** A real backend that records what reaches it. */
export async function startBackend(
  answer: (req: IncomingMessage, res: ServerResponse, body: string) => void = answerOk,
): Promise<Backend> {
  const seen: Seen[] = []
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', chunk => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1')
      seen.push({ method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders, body })
      answer(req, res, body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  onTestFinished(close)
  const { port } = server.address() as AddressInfo
  const field = (name: string): string | undefined => {
    const headers = seen.at(-1)?.rawHeaders ?? []
    const at = headers.findIndex((value, i) => i % 2 === 0 && value.toLowerCase() === name)
    return at === -1 ? undefined : headers[at + 1]
  }
  return { url: `http://127.0.0.1:${port}/internal`, seen, field, close }
}

function answerOk(_req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end('{"jsonrpc":"2.0","id":1,"result":{}}')
}

/** An address where nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}/internal`
}

export type Gateway = {
  port: number
  log: Array<Record<string, unknown>>
  proxy: ReturnType<typeof createProxy>
  listener: ReturnType<typeof createListener>
}

export type GatewayOptions = {
  instances: string[]
  backend?: Partial<BackendOptions>
  proxy?: Partial<ProxyOptions>
  listener?: Partial<ListenerOptions>
  tokens?: Partial<UpstreamTokenSource>
}

/** The proxy behind its listener, on a real port; everything else answers 404. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const log: Gateway['log'] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      log.push(JSON.parse(String(chunk)))
      done()
    },
  })
  const proxy = createProxy({
    publicUrl: PUBLIC_URL,
    backends: [{ ...backendOptions(options.instances), ...options.backend }],
    authorizationServer: PUBLIC_URL,
    admission: createAdmission({ verifyAccessToken: async token => CLAIMS[token], now: () => NOW }),
    tokens: { ...steadyTokens(), ...options.tokens },
    allowedOrigins: ['https://app.example.com'],
    trustedProxies: [],
    limits: { bodyBytes: 100_000, inFlight: 100, streams: 100 },
    keepAliveMs: 75_000,
    logger: createLogger('info', sink),
    now: () => NOW,
    ...options.proxy,
  })
  const listener = createListener({
    find: proxy.find,
    requestClass: IncomingRequest,
    rest: (_req, res) => {
      res.writeHead(404, { 'content-type': 'application/json' })
      res.end('{"error":"not_found"}')
    },
    ...options.listener,
  })
  const { port } = await listener.listen(0, '127.0.0.1')
  onTestFinished(async () => {
    await proxy.close()
    await listener.close(0)
  })
  return { port, log, proxy, listener }
}

/** An admission that verifies no token before it is told to, and then takes each. */
export function slowAdmission() {
  const verifying = Promise.withResolvers<void>()
  let asked = 0
  const admission = createAdmission({
    verifyAccessToken: async () => {
      asked += 1
      await verifying.promise
      return claims({})
    },
    now: () => 0,
  })
  return {
    admission,
    verify: verifying.resolve,
    isAsked: () => eventually(() => asked === 1, 'the token is looked at'),
  }
}

export const TIMEOUTS: TimeoutOptions = {
  connectMs: 2000,
  headersMs: 10_000,
  idleMs: 60_000,
  maxAgeMs: 3_600_000,
  methods: {},
}

/** Hears nothing; a test takes the place of what it wants to hear. */
export const DEAF: BackendObserver = {
  answered: () => {},
  ended: () => {},
  repeated: () => {},
  instanceChanged: () => {},
  probed: () => {},
  forbade: () => {},
  limited: () => {},
}

/** For backends whose instances have no names. */
export const noNames = async (): Promise<never> => {
  throw new Error('no name is to be resolved')
}

export function backendOptions(instances: string[]): BackendOptions {
  return {
    name: 'crm',
    path: '/crm/mcp',
    resource: RESOURCE,
    instances,
    scopes: ['mcp.access', 'crm.read'],
    timeouts: TIMEOUTS,
    room: { calls: 100, streams: 100 },
  }
}

const CLAIMS: Record<string, AccessTokenClaims> = {
  [GOOD_TOKEN]: claims({}),
  [OTHER_RESOURCE_TOKEN]: claims({ resource: `${PUBLIC_URL}/wiki/mcp` }),
  [EXPIRED_TOKEN]: claims({ expiresAt: NOW - 1 }),
}

export function claims(change: Partial<AccessTokenClaims>): AccessTokenClaims {
  return {
    grantId: 'grant-1',
    clientId: 'client-1',
    subject: 'user-1',
    resource: RESOURCE,
    scope: ['mcp.access'],
    tokenId: 'jti-1',
    issuedAt: NOW - 60,
    expiresAt: NOW + 600,
    ...change,
  }
}

/** A source that always has the same token. */
function steadyTokens(): UpstreamTokenSource {
  return {
    peek: () => usable(UPSTREAM_TOKEN),
    resolve: async () => usable(UPSTREAM_TOKEN),
    resolveAfterRejection: async (): Promise<FreshToken> => usable('upstream-token-2'),
    close: async () => {},
  }
}

export function usable(accessToken: string): Usable {
  const grant: Grant = {
    grantId: 'grant-1',
    clientId: 'client-1',
    clientName: 'a client',
    upstream: 'idp',
    identity: { issuer: 'https://idp.example.com', subject: 'user-1' },
    resource: RESOURCE,
    scope: ['mcp.access'],
    openedAt: NOW - 60,
    upstreamTokens: { accessToken, issuedAt: NOW - 60, expiresAt: NOW + 600 },
    version: 1,
  }
  return { outcome: 'usable', grant, accessToken, path: 'cache' }
}

export type Reply = {
  status: number
  headers: Record<string, string | string[] | undefined>
  rawHeaders: string[]
  body: string
}

export type Ask = {
  method?: string
  path?: string
  headers?: Record<string, string | string[]> | string[]
  body?: string | Buffer
  token?: string | null
}

/** One request, by default an authorized POST to the MCP endpoint, and its whole answer. */
export async function ask(gateway: { port: number }, options: Ask = {}): Promise<Reply> {
  const res = await open(gateway, options)
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk)
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    body: Buffer.concat(chunks).toString('latin1'),
  }
}

/** One request, answered with the head and a body still to be read. */
export function open({ port }: { port: number }, options: Ask = {}): Promise<IncomingMessage> {
  const { method = 'POST', path = '/crm/mcp', body, token = GOOD_TOKEN } = options
  const given = options.headers ?? {}
  const authorization = token === null ? [] : ['authorization', `Bearer ${token}`]
  const flat = Array.isArray(given)
    ? given
    : Object.entries(given).flatMap(([name, value]) => [value].flat().flatMap(v => [name, v]))
  return new Promise((resolve, reject) => {
    const headers = ['host', 'mcp.example.com', ...authorization, ...flat]
    if (body !== undefined && !flat.includes('transfer-encoding')) {
      headers.push('content-length', String(Buffer.byteLength(body)))
    }
    const req = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
    req.once('response', resolve).once('error', reject)
    req.end(body)
  })
}

/** A bare connection, for what an HTTP client would not send or would hide. */
export class RawClient {
  readonly socket: Socket
  received = ''
  readonly closed: Promise<unknown>
  #changed = Promise.withResolvers<void>()

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', chunk => {
      this.received += chunk.toString('latin1')
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise(resolve => this.socket.once('close', resolve))
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  send(...lines: string[]): this {
    this.socket.write(lines.join('\r\n'))
    return this
  }

  async until(text: string): Promise<string> {
    while (!this.received.includes(text)) {
      await Promise.race([
        this.#changed.promise,
        this.closed.then(() => Promise.reject(new Error(`closed after: ${this.received}`))),
      ])
    }
    return this.received
  }
}

/** Waits for something that no event announces. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}
