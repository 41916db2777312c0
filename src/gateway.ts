import { randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { createAccessTokens } from './authorization-server/access-token.ts'
import type { AuthorizationServer, ProtectedResource } from './authorization-server/context.ts'
import { createGrantEnding } from './authorization-server/grant-ending.ts'
import { createAuthorizationServerApp } from './authorization-server/routes.ts'
import type { BackendConfig, GatewayConfig, RedisConfig } from './config/schema.ts'
import { nameOfUpstream } from './config/upstreams.ts'
import { deriveAssertionKeys } from './domain/assertion-key.ts'
import { createKeyRing, type KeyRing } from './domain/key-ring.ts'
import { createScopeCatalogue } from './domain/scope-catalogue.ts'
import { createClientSources } from './gateway-clients.ts'
import { createInjectionOf } from './gateway-upstreams.ts'
import { createGuardedFetch } from './http/guarded-fetch.ts'
import { createListener } from './http/listener.ts'
import { createOpsApp, type Readiness } from './http/ops.ts'
import { renderConnect } from './http/pages/connect.ts'
import { createAudit } from './observability/audit.ts'
import type { Logger } from './observability/log.ts'
import type { BackendOptions } from './proxy/backends.ts'
import { createPolicy } from './proxy/policy.ts'
import { createProxy } from './proxy/proxy.ts'
import { createMemoryStore } from './store/memory.ts'
import type { Store } from './store/port.ts'
import { createRedisConnection, type RedisConnectionOptions } from './store/redis/connection.ts'
import { createRedisStore } from './store/redis/store.ts'
import { createAssertionIssuer } from './upstream/assertions.ts'
import type { UpstreamOptions } from './upstream/options.ts'
import { createUpstream } from './upstream/provider.ts'
import { callbackUrlOf } from './upstream/resolve.ts'
import { createUpstreamTokenSource } from './upstream/tokens.ts'

/** A gateway that serves. */
export type Gateway = {
  /**
   * Stops in order: readiness off, the configured delay, no new connections, requests finish, the rest is broken at the deadline. Resolves when nothing is left.
   */
  drain(): Promise<void>
}

/** What a gateway is given rather than making it itself: several in one process can have a store in common, and none needs to reach its upstream's real host. */
export type GatewayParts = {
  store?: Store
  /** Takes every request to the upstream. */
  send?: typeof fetch
}

/**
 * Builds the gateway and opens its listeners. The one place where adapters are constructed.
 *
 * @throws the socket's error where a port cannot be bound
 */
export async function startGateway(
  config: GatewayConfig,
  upstreamOptions: readonly UpstreamOptions[],
  logger: Logger,
  parts: GatewayParts = {},
): Promise<Gateway> {
  const ring = createRing(config, logger)
  const store = parts.store ?? createStore(config, ring, logger)
  const { send } = parts
  const server = createAuthorizationServer(config, upstreamOptions, ring, store, logger, send)
  const proxy = createProxy({
    publicUrl: config.publicUrl,
    backends: config.backends.map(backend => describeBackend(config.publicUrl, backend)),
    renderConnect: ({ name, resource }) =>
      renderConnect({ publicUrl: config.publicUrl, endpoint: { name, url: resource } }),
    verifyAccessToken: server.accessTokens.verify,
    tokens: server.tokens,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    limits: config.limits,
    logger,
    now: store.now,
  })
  const app = createAuthorizationServerApp(server, createGrantEnding(server))
  const listener = createListener({
    find: proxy.find,
    rest: createRest(app),
    keepAliveTimeoutMs: config.keepAliveMs,
    maxHeaderBytes: config.limits.headersBytes,
  })
  const ops = createOps(store)
  await ops.listen(config.ops.port, config.ops.host)
  await listener.listen(config.listen.port, config.listen.host)
  const { listen, publicUrl } = config
  const callbackUrl = callbackUrlOf(config)
  logger.info({ listen, ops: config.ops, publicUrl, callbackUrl }, 'listening')

  return {
    drain: async () => {
      ops.draining()
      await new Promise(resolve => setTimeout(resolve, config.drain.delayMs))
      proxy.drain()
      await listener.close(config.drain.deadlineMs)
      await proxy.close()
      await server.tokens.close()
      await store.close()
      await ops.close()
    },
  }
}

function describeBackend(publicUrl: string, backend: BackendConfig): BackendOptions {
  const { name, path, instances, timeouts, tools } = backend
  const catalogue = createScopeCatalogue(backend.scopes, backend.required)
  const demands = Object.entries(tools).map(([pattern, { scopes, hidden }]) => ({
    pattern,
    scopes,
    isHidden: hidden,
  }))
  return {
    name,
    path,
    instances,
    resource: publicUrl + path,
    scopes: catalogue.defaults,
    policy: createPolicy(catalogue, demands),
    allow: backend.allow,
    connectTimeoutMs: timeouts.connectMs,
    headersTimeoutMs: timeouts.headersMs,
  }
}

function createRing(config: GatewayConfig, logger: Logger): KeyRing {
  if (config.keys.length > 0) return createKeyRing(config.keys)
  logger.warn('no keys are configured: tokens and registrations end with this process')
  return createKeyRing([randomBytes(32)])
}

function createStore({ redis, lifetimes }: GatewayConfig, ring: KeyRing, logger: Logger): Store {
  const storeLifetimes = {
    graceSeconds: lifetimes.refreshGraceSeconds,
    grantAbsoluteSeconds: lifetimes.grantAbsoluteSeconds,
  }
  if (!redis) return createMemoryStore({ lifetimes: storeLifetimes })
  const connection = createRedisConnection(describeRedis(redis), logger)
  return createRedisStore({ connection, ring, logger, lifetimes: storeLifetimes })
}

function describeRedis(redis: RedisConfig): RedisConnectionOptions {
  const { keyPrefix, timeoutMs, username, password, tls } = redis
  const access = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
  }
  return { servers: findServers(redis), access, keyPrefix, deadlineMs: timeoutMs }
}

function findServers(redis: RedisConfig): RedisConnectionOptions['servers'] {
  if ('url' in redis) return { url: redis.url }
  if ('cluster' in redis) return { cluster: redis.cluster }
  const { name, nodes, password } = redis.sentinel
  return { name, sentinels: nodes, ...(password !== undefined && { sentinelPassword: password }) }
}

function createAuthorizationServer(
  config: GatewayConfig,
  upstreamOptions: readonly UpstreamOptions[],
  ring: KeyRing,
  store: Store,
  logger: Logger,
  send: typeof fetch = fetch,
): AuthorizationServer {
  const { now } = store
  const upstreams = new Map(
    upstreamOptions.map(options => [options.name, createUpstream(options, now, send)]),
  )
  const upstreamOf = (name: string) => upstreams.get(name)
  const { lifetimes, publicUrl } = config
  const assertionKeys = deriveAssertionKeys(ring)
  const [signingKey] = assertionKeys
  const asserts = config.backends.some(({ credential }) => credential.kind === 'assertion')
  return {
    issuer: publicUrl,
    resources: config.backends.map(backend => describeResource(publicUrl, backend)),
    store,
    ring,
    clients: createClientSources(config, createGuardedFetch(), logger, now),
    accessTokens: createAccessTokens(ring, publicUrl, now),
    ...(asserts && { assertionKeys: assertionKeys.map(({ publicJwk }) => publicJwk) }),
    upstream: upstreamOf,
    tokens: createUpstreamTokenSource({
      grants: store.grants,
      invalidations: store.invalidations,
      upstream: upstreamOf,
      injectionOf: createInjectionOf(config),
      assertions: createAssertionIssuer(signingKey, publicUrl, now),
      logger,
      now,
      refreshTimeoutMs: Math.max(...upstreamOptions.map(({ timeoutMs }) => timeoutMs)),
      lifetime: {
        idleSeconds: lifetimes.grantIdleSeconds,
        absoluteSeconds: lifetimes.grantAbsoluteSeconds,
      },
    }),
    lifetimes: {
      idleSeconds: lifetimes.grantIdleSeconds,
      absoluteSeconds: lifetimes.grantAbsoluteSeconds,
      accessTokenSeconds: lifetimes.accessTokenSeconds,
      authorizationCodeSeconds: lifetimes.authorizationCodeSeconds,
      loginSeconds: lifetimes.loginSeconds,
    },
    logger,
    audit: createAudit(logger),
    now,
  }
}

function describeResource(publicUrl: string, backend: BackendConfig): ProtectedResource {
  const { name, path, scopes, required, allow } = backend
  return {
    name,
    scopes: createScopeCatalogue(scopes, required),
    resource: publicUrl + path,
    upstream: nameOfUpstream(backend),
    ...(allow && { allow }),
  }
}

/** Everything but the hot path. The listener leaves `Expect: 100-continue` to its handlers, and Hono knows nothing of it. */
function createRest(app: Hono): RequestListener {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  return (req, res) => {
    if (req.headers.expect !== undefined) res.writeContinue()
    return listener(req, res)
  }
}

/** The ops listener, and what it knows of the gateway's state. */
function createOps(store: Store) {
  let phase: Readiness['phase'] = 'starting'
  const readiness = async (): Promise<Readiness> => {
    const isStoreReachable = await store.check().then(
      () => true,
      () => false,
    )
    if (phase === 'starting' && isStoreReachable) phase = 'serving'
    return { phase, isStoreReachable }
  }
  const app = createOpsApp(readiness)
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  return {
    listen: (port: number, host: string) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      }),
    draining: () => {
      phase = 'draining'
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
