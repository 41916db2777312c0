import { randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import packageJson from '../package.json' with { type: 'json' }
import type { GatewayConfig } from './config/schema.ts'
import { createKeyRing, type KeyRing } from './domain/key-ring.ts'
import { createAdmin } from './gateway/admin.ts'
import { countAdmitting } from './gateway/admitting.ts'
import { createAuthorizationServer } from './gateway/authorization-server.ts'
import { describeBackend } from './gateway/backends.ts'
import { fingerprintConfig } from './gateway/config-fingerprint.ts'
import { createEntrance } from './gateway/entrance.ts'
import { createGenerations, type Generations } from './gateway/generations.ts'
import { describeGauges, observeBackend, observeTokens } from './gateway/observed.ts'
import { createOps, type OpsServer } from './gateway/ops.ts'
import { describeCallLimits } from './gateway/rate-limits.ts'
import { keepFixed } from './gateway/reload.ts'
import { createRest } from './gateway/rest.ts'
import { DRAIN_SPREAD, type Serving } from './gateway/serving.ts'
import { createStoreSource } from './gateway/store.ts'
import { traceFetch } from './gateway/traced-fetch.ts'
import { noteUnknownKeys } from './gateway/unknown-keys.ts'
import { lookForMetadata } from './gateway/upstream-metadata.ts'
import { createUpstreams, issuersOfUsers } from './gateway/upstreams.ts'
import { createListener, type Listener } from './http/listener.ts'
import { renderConnect } from './http/pages/connect.ts'
import { type Audit, createAudit } from './observability/audit.ts'
import { createLimitNotes } from './observability/limit-notes.ts'
import type { Logger, LostLines } from './observability/log.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import { createRefusalNote } from './observability/refusals.ts'
import type { Tracing } from './observability/trace.ts'
import { IncomingRequest } from './proxy/incoming-request.ts'
import { createProxy } from './proxy/proxy.ts'
import type { Store } from './store/port.ts'
import type { UpstreamOptions } from './upstream/options.ts'
import { callbackUrlOf } from './upstream/resolve.ts'

/** A gateway that serves. */
export type Gateway = {
  /**
   * Stops in order: readiness off, the configured delay, no new connections, requests finish and streams that listen end one by one, the rest is broken at the deadline.
   * Resolves when nothing is left.
   */
  drain(): Promise<void>
  /**
   * Serves by another configuration from now on; what is under way finishes as it began. Where it throws, nothing has changed.
   *
   * @returns the settings that differ and need a restart; they stay as they are
   */
  reload(config: GatewayConfig, upstreamOptions: readonly UpstreamOptions[]): string[]
  metrics: Metrics
}

/** What outlives a reload. */
type Surroundings = {
  logger: Logger
  metrics: Metrics
  audit: Audit
  /** Takes every request to an identity provider. */
  send: typeof fetch
  tracing: Tracing | undefined
}

/** What a gateway is given rather than making it itself: several in one process can have a store in common, and none needs to reach its upstream's real host. */
export type GatewayParts = {
  store?: Store
  /** Takes every request to the upstream. */
  send?: typeof fetch
  /** Closed with the gateway. */
  tracing?: Tracing
  /** Takes the ops app, which has no listener of its own then. */
  serveOps?: (app: Hono) => OpsServer
  /** Lines of the log that nobody will read, counted by the logger. */
  lostLines?: LostLines
  /** Whether other processes listen on the same public port. */
  sharesPort?: boolean
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
  const metrics = createMetrics(packageJson.version, parts.lostLines)
  const { tracing, send = fetch } = parts
  const surroundings = {
    logger,
    metrics,
    audit: createAudit(logger, metrics.auditEvent),
    send: tracing ? traceFetch(send, tracing) : send,
    tracing,
  }
  let ring = createRing(config, logger)
  const stores = createStoreSource(config, logger, metrics.storeOperation, parts.store)
  const store = stores.open(config, ring)
  const generations = createGenerations(
    createServing(config, upstreamOptions, ring, store, surroundings),
    err => logger.error({ err }, 'a configuration that was replaced did not end well'),
  )
  const listener = createPublicListener(config, generations, surroundings, parts.sharesPort)
  const isStoreReachable = () => isAnswering(store)
  const admin = createAdmin(() => generations.current, config.ops, surroundings)
  const render = () => metrics.render(describeGauges(generations.all, isStoreReachable))
  const opsParts = { metrics: render, ...(admin && { admin }) }
  const ops = createOps(isStoreReachable, opsParts, parts.serveOps)
  await ops.listen(config.ops.port, config.ops.host)
  await listener.listen(config.listen.port, config.listen.host)
  metrics.configured(fingerprintConfig(config))
  announce(config, logger)

  return {
    metrics,
    reload: (wanted, wantedUpstreams) => {
      const { config: next, fixed } = keepFixed(generations.current.config, wanted)
      const nextRing = next.keys.length > 0 ? createRing(next, logger) : ring
      const options = fixed.includes('upstream') ? upstreamOptions : wantedUpstreams
      const nextStore = stores.open(next, nextRing)
      const serving = createServing(next, options, nextRing, nextStore, surroundings)
      if (next.listen.tls) listener.renewTls(next.listen.tls)
      generations.replace(serving)
      metrics.configured(fingerprintConfig(next))
      logger.level = next.log.level
      ring = nextRing
      return fixed
    },
    drain: async () => {
      const { drain } = generations.current.config
      ops.draining()
      await new Promise(resolve => setTimeout(resolve, drain.delayMs))
      generations.drain()
      await listener.close(drain.deadlineMs)
      await generations.close()
      await store.close()
      await ops.close()
      await tracing?.close()
    },
  }
}

function createPublicListener(
  { keepAliveMs, limits, listen }: GatewayConfig,
  { find, rest }: Generations<Serving>,
  { logger, metrics }: Surroundings,
  reusePort = false,
): Listener {
  return createListener({
    ...{ find, rest, reusePort, requestClass: IncomingRequest },
    keepAliveMs,
    maxHeaderBytes: limits.headersBytes,
    ...(listen.tls && { tls: listen.tls }),
    stallMs: limits.stallMs,
    onRefused: createRefusalNote(logger, metrics.refusal),
  })
}

/** Builds all that depends on a configuration which can be replaced. */
function createServing(
  config: GatewayConfig,
  upstreamOptions: readonly UpstreamOptions[],
  ring: KeyRing,
  store: Store,
  surroundings: Surroundings,
): Serving {
  const { logger, metrics, audit, send, tracing } = surroundings
  const upstreamOf = createUpstreams(config, upstreamOptions, store.now, surroundings)
  lookForMetadata(upstreamOptions, upstreamOf, logger)
  const caches = metrics.caches()
  const parts = { ring, store, upstreamOf, upstreamOptions, send, logger, watchCache: caches.watch }
  const { tokens: source, ...entrance } = createEntrance(config, parts)
  const admission = countAdmitting(entrance.admission)
  const tokens = observeTokens(source, metrics)
  const server = createAuthorizationServer(config, { ...parts, tokens }, surroundings)
  const noteLimited = createLimitNotes(caches.watch)
  const callLimits = describeCallLimits(config, { store, metrics, watchCache: caches.watch })
  const proxy = createProxy({
    publicUrl: config.publicUrl,
    backends: config.backends.map(backend => describeBackend(config, backend)),
    renderConnect: ({ name, resource }) =>
      renderConnect({ publicUrl: config.publicUrl, endpoint: { name, url: resource } }),
    authorizationServer: entrance.authorizationServer,
    ...{ admission, tokens },
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    ...{ limits: config.limits, keepAliveMs: config.keepAliveMs },
    ...(callLimits && { callLimits }),
    ...(tracing && { tracing }),
    observe: name => observeBackend(metrics.backend(name), audit, noteLimited),
    lists: { invalidations: store.invalidations, observe: metrics.lists },
    ...{ logger, now: store.now, watchCache: caches.watch },
  })
  const rest = createRest(entrance.createApp(server))
  return {
    ...{
      config,
      server,
      proxy,
      caches,
      upstreamIssuers: issuersOfUsers(upstreamOptions),
    },
    find: proxy.find,
    rest: rest.handle,
    underWay: () => admission.underWay() + proxy.state().callsInFlight + rest.underWay(),
    drain: () => proxy.drain(config.drain.deadlineMs * DRAIN_SPREAD),
    close: async () => {
      await proxy.close()
      await tokens.close()
    },
  }
}

function isAnswering(store: Store): Promise<boolean> {
  return store.check().then(
    () => true,
    () => false,
  )
}

function announce(config: GatewayConfig, logger: Logger): void {
  const { publicUrl, ops } = config
  const { host, port, tls } = config.listen
  const listen = { host, port, ...(tls && { tls: true }) }
  const { authorizationServer } = config
  const opsAddress = { host: ops.host, port: ops.port }
  const tokens = authorizationServer
    ? { authorizationServer: authorizationServer.issuer }
    : { callbackUrl: callbackUrlOf(config) }
  logger.info({ listen, ops: opsAddress, publicUrl, ...tokens }, 'listening')
}

function createRing(config: GatewayConfig, logger: Logger): KeyRing {
  if (config.keys.length > 0) return noteUnknownKeys(createKeyRing(config.keys), logger)
  // With tokens of another server, nothing is made with them: `checkExternal` wants keys where assertions are.
  if (!config.authorizationServer)
    logger.warn('no keys are configured: tokens and registrations end with this process')
  return createKeyRing([randomBytes(32)])
}
