import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import type { Hono } from 'hono'
import { onTestFinished } from 'vitest'
import type { ClientSources } from '../../src/authorization-server/clients/client-sources.ts'
import type { AuthorizationServer, Lifetimes } from '../../src/authorization-server/context.ts'
import { createAuthorizationServerApp } from '../../src/authorization-server/routes.ts'
import { createAccessTokens } from '../../src/authorization-server/tokens/access-token.ts'
import { createGrantEnding } from '../../src/authorization-server/tokens/grant-ending.ts'
import type { AccessRule } from '../../src/domain/access-rule.ts'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import { createKeyRing, type KeyRing } from '../../src/domain/key-ring.ts'
import { createScopeCatalogue } from '../../src/domain/scope-catalogue.ts'
import { createClientSources } from '../../src/gateway/clients.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import { createAudit } from '../../src/observability/audit.ts'
import { createLogger, type Logger } from '../../src/observability/log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/port.ts'
import { createRedisConnection } from '../../src/store/redis/connection.ts'
import { createRedisStore } from '../../src/store/redis/store.ts'
import { createAssertionIssuer } from '../../src/upstream/assertions.ts'
import { STANDARD_PROVIDER, type UpstreamOptions } from '../../src/upstream/options.ts'
import { createUpstream } from '../../src/upstream/provider.ts'
import { createUpstreamTokenSource } from '../../src/upstream/tokens.ts'
import { MINIMAL, readTree } from '../config/support.ts'
import { findFreePort } from '../support/free-port.ts'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'

export const ISSUER = 'https://mcp.example.com'
export const LOOPBACK_ISSUER = 'http://localhost:8080'
export const CRM = `${ISSUER}/crm/mcp`
export const WIKI = `${ISSUER}/wiki/mcp`
const SCOPES = ['crm.read', 'crm.write']
const CATALOGUE = createScopeCatalogue(
  SCOPES.map(name => ({ name, isDefault: true, implies: [] })),
  [],
)

/** The gateway's account at an IdP. */
export type IdpAccount = { issuer: string; clientId: string; clientSecret: string }

export type GatewayOptions = {
  idp?: IdpAccount
  issuer?: string
  /** Paths of the backends. Default: one, `/crm/mcp`. */
  paths?: readonly string[]
  upstream?: Partial<UpstreamOptions>
  /** Who may use the backends. */
  allow?: AccessRule
  lifetimes?: Partial<Lifetimes>
  ring?: KeyRing
  /** How clients become known. Default: as without any configuration, with no document within reach. */
  clients?: (logger: Logger, now: () => number) => ClientSources
  /** Whose assertions count. Default: nobody's. */
  enterpriseIssuers?: (
    logger: Logger,
    now: () => number,
  ) => AuthorizationServer['enterpriseIssuers']
  /** Paths of backends that can do without a login. */
  loginless?: readonly string[]
  /** Instead of a fresh in-memory one, or around it. */
  store?: (memory: Store) => Store
}

/** An authorization server in this process, on a real store, key ring and upstream. */
export type Gateway = {
  app: Hono
  server: AuthorizationServer
  store: Store
  issuer: string
  clock: { now(): number; advance(seconds: number): void }
  /** Everything that was logged. */
  log(): string
  request(path: string, init?: RequestInit): Promise<Response>
  /** Sends a form. */
  post(path: string, form: Form, headers?: Record<string, string>): Promise<Response>
}

export type Form = Record<string, string | undefined> | string

const GRANT_LIFETIME = { idleSeconds: 30 * 86_400, absoluteSeconds: 90 * 86_400 }

const NO_IDP: IdpAccount = {
  issuer: 'http://127.0.0.1:9',
  clientId: 'gateway',
  clientSecret: 'unused',
}

export function createGateway(options: GatewayOptions = {}): Gateway {
  const { issuer = ISSUER, paths = ['/crm/mcp'] } = options
  let time = Math.floor(Date.now() / 1000)
  const now = () => time
  const memory = createMemoryStore({ now })
  const store = options.store?.(memory) ?? memory
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const logger = createLogger('debug', sink)
  const ring = options.ring ?? createKeyRing([randomBytes(32)])
  const [signingKey] = deriveAssertionKeys(ring)
  const upstream = createUpstream(
    { ...upstreamOptions(options.idp ?? NO_IDP, issuer), ...options.upstream },
    now,
  )
  const upstreamOf = (name: string) => (name === upstream.name ? upstream : undefined)
  const server: AuthorizationServer = {
    issuer,
    resources: paths.map(path => ({
      resource: issuer + path,
      name: path.slice(1),
      scopes: CATALOGUE,
      upstream: upstream.name,
      needsLogin: !options.loginless?.includes(path),
      ...(options.allow && { allow: options.allow }),
    })),
    store,
    ring,
    clients: (options.clients ?? createDefaultClients)(logger, now),
    enterpriseIssuers: options.enterpriseIssuers?.(logger, now) ?? new Map(),
    accessTokens: createAccessTokens(ring, issuer, now),
    upstream: upstreamOf,
    tokens: createUpstreamTokenSource({
      grants: store.grants,
      invalidations: store.invalidations,
      upstream: upstreamOf,
      injectionOf: () => ({ upstream: upstream.name, credential: { kind: 'upstream' } }),
      assertions: createAssertionIssuer(signingKey, issuer, now),
      logger,
      now,
      refreshTimeoutMs: 3000,
      lifetime: GRANT_LIFETIME,
    }),
    lifetimes: {
      ...GRANT_LIFETIME,
      accessTokenSeconds: 900,
      authorizationCodeSeconds: 60,
      loginSeconds: 600,
      ...options.lifetimes,
    },
    logger,
    audit: createAudit(logger),
    now,
  }
  onTestFinished(() => server.tokens.close())
  const app = createAuthorizationServerApp(server, createGrantEnding(server))
  const request: Gateway['request'] = async (path, init) => app.request(issuer + path, init)
  return {
    app,
    server,
    store,
    issuer,
    clock: {
      now,
      advance: seconds => {
        time += seconds
      },
    },
    log: () => lines.join(''),
    request,
    post: (path, form, headers = {}) =>
      request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: typeof form === 'string' ? form : encodeForm(form),
      }),
  }
}

function createDefaultClients(logger: Logger, now: () => number): ClientSources {
  const network = { resolve: async () => [], isAllowed: () => false }
  return createClientSources(readTree(MINIMAL), createGuardedFetch({ network }), logger, now)
}

/** What the gateway is at an IdP that keeps to the standard. */
export function upstreamOptions(idp: IdpAccount, publicUrl: string): UpstreamOptions {
  return {
    ...STANDARD_PROVIDER,
    name: 'default',
    issuer: idp.issuer,
    clientId: idp.clientId,
    clientSecret: idp.clientSecret,
    timeoutMs: 2000,
    callbackUrl: `${publicUrl}/callback`,
  }
}

/** A real IdP that knows the gateways of these tests. Upstream access tokens live 100 s. */
export function startIdp(): Promise<OidcProvider> {
  return startOidcProvider({
    redirectUris: [`${ISSUER}/callback`, `${LOOPBACK_ISSUER}/callback`],
    accessTokenTtlSeconds: 100,
  })
}

export function encodeForm(form: Record<string, string | undefined>): string {
  return encodePairs(Object.entries(form))
}

/** For what an object cannot say: the same name twice. */
export function encodePairs(pairs: Iterable<[string, string | undefined]>): string {
  const encoded = new URLSearchParams()
  for (const [name, value] of pairs) if (value !== undefined) encoded.append(name, value)
  return encoded.toString()
}

/** The Redis store with no Redis behind it: every operation that is awaited ends in its own outage. */
export async function createDeadStore(): Promise<Store> {
  const logger = createLogger('silent')
  const servers = { url: `redis://127.0.0.1:${await findFreePort()}` }
  const connection = createRedisConnection({ servers, deadlineMs: 50 }, logger)
  return createRedisStore({ connection, ring: createKeyRing([randomBytes(32)]), logger })
}

/** Lets one operation of the store fail while `isDown()`: a fault at the port. */
export function failing(
  store: Store,
  room: 'clients' | 'authorizations' | 'grants',
  operation: string,
  isDown: () => boolean,
  error: () => Error,
): Store {
  const actual: Record<string, unknown> = store[room]
  const original = actual[operation]
  if (typeof original !== 'function') throw new RangeError(`${room} has no ${operation}`)
  const faulty = async (...args: unknown[]) => {
    if (isDown()) throw error()
    return original(...args)
  }
  return { ...store, [room]: { ...store[room], [operation]: faulty } }
}
