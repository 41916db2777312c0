import { LRUCache } from 'lru-cache'
import { createCorrelationId } from '../domain/secret.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { Tracing } from '../observability/trace.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import type { Admit } from './admission.ts'
import { createEventStreams } from './answers/event-streams.ts'
import type { ResponseFields } from './answers/response-fields.ts'
import type { BackendObserver } from './backend-observer.ts'
import { type Backend, type BackendOptions, createBackend } from './backends.ts'
import { type MemberState, stateOf } from './balancing/member.ts'
import { createNameResolver, type ResolveName } from './balancing/names.ts'
import type { Call } from './call.ts'
import type { CallLimits } from './call-limits.ts'
import { type Connections, createConnections } from './connections.ts'
import { createCrossOrigin } from './cross-origin.ts'
import { enforceLimits } from './expiry.ts'
import { createForward, type ForwardOptions } from './forward.ts'
import { createHopReader } from './forwarded.ts'
import { createHandlers, type Handler, type ProxyLimits } from './handler.ts'
import { createRequestHeadReader } from './headers.ts'
import { chooseListCache, type ListSurroundings } from './list-cache/choose.ts'
import { noteAnswered, noteFinished } from './observer.ts'
import {
  createChallenges,
  createMetadataHandler,
  metadataPaths,
  type ProtectedResource,
} from './protected-resource.ts'
import { createRefusals, type Refusals } from './refusals.ts'
import type { RenderedPage } from './visitors.ts'

export type ProxyOptions = {
  /** The issuer: an origin without a slash. */
  publicUrl: string
  backends: readonly BackendOptions[]
  /** Whose tokens open the backends; an issuer. */
  authorizationServer: string
  admission: Admit
  tokens: UpstreamTokenSource
  /** Browser origins besides `publicUrl` that may call. */
  allowedOrigins: readonly string[]
  /** Addresses and CIDR blocks whose `X-Forwarded-For` is believed. */
  trustedProxies: readonly string[]
  limits: ProxyLimits
  /** How long the listener lets a client's connection rest. */
  keepAliveMs: number
  /** How often somebody may call; as often as they like, where there is none. Closed with the proxy. */
  callLimits?: CallLimits
  /** What a person sees who opens an MCP endpoint in a browser; a client's error without it. */
  renderConnect?: (endpoint: ProtectedResource) => RenderedPage
  /** What the cache of lists needs, where a backend has one. */
  lists?: ListSurroundings
  logger: Logger
  tracing?: Tracing
  /** Who learns of the requests to a backend; asked once for each. */
  observe?: (backend: string) => BackendObserver
  /** Epoch seconds. */
  now: () => number
  /** In [0, 1); chooses among instances. */
  random?: () => number
  createCorrelationId?: () => string
  /** Finds the addresses of instances that are configured by a name. */
  resolveName?: ResolveName
  /** Between two looks at quiet event streams. */
  heartbeatMs?: number
  watchCache?: WatchCache
}

export type Proxy = {
  /** What answers at exactly this path: an MCP endpoint or a protected resource metadata document. */
  find(path: string): Handler | undefined
  /** Ends streams that only listen, spread over this time and between two of their events, those that come later too; calls go on. */
  drain(spreadMs: number): void
  /** What is under way and what is served, for metrics and operators. */
  state(): ProxyState
  /** Breaks whatever is still under way. */
  close(): Promise<void>
}

export type ProxyState = {
  callsInFlight: number
  eventStreams: number
  /** What the cache of lists holds. */
  lists: { entries: number; bytes: number }
  backends: readonly {
    name: string
    resource: string
    instances: readonly InstanceState[]
  }[]
}

export type InstanceState = {
  instance: string
  state: MemberState
  inFlight: number
  streams: number
}

/** Of the clock that all calls share; time limits are as coarse as this. */
const TICK_MS = 500
const HEARTBEAT_MS = 15_000
const BEARER_CACHE_SIZE = 10_000

/**
 * The hot path: everything between a client and the instances of the backends.
 *
 * @throws where an instance is no URL or a trusted proxy no address
 */
export function createProxy(options: ProxyOptions): Proxy {
  const { publicUrl, limits, logger, tokens, random = Math.random } = options
  const streams = createEventStreams(options.heartbeatMs ?? HEARTBEAT_MS)
  const refusals = createRefusals(logger, options.renderConnect)
  const backends = createBackends(options, random)
  const connections = createConnections()
  const warnOfSessions = createStatefulWarning(logger)
  const finish = (call: Call): void => {
    noteFinished(call)
    noteSuccess(logger, call)
  }
  const lists = chooseListCache(options, finish)
  const relieved = lists?.rescuing(refusals) ?? refusals
  const clock = startClock(connections, backends, relieved)
  const forward = createForward({
    ...{ tokens, streams, refusals: relieved, random },
    inject: createInjection(options),
    onAnswer: (call, head) => {
      noteAnswered(call)
      warnOfSessions(call, head)
    },
    onFinished: finish,
    onRepeat: createRepeatNote(logger),
  })
  const send = (call: Call): void => {
    call.sentAt = performance.now()
    forward(call)
  }
  const createHandler = createHandlers({
    ...{ tokens, refusals, limits, connections, keepAliveMs: options.keepAliveMs },
    ...(options.tracing && { tracing: options.tracing }),
    ...(options.callLimits && { callLimits: options.callLimits }),
    forward: lists?.inFrontOf(send) ?? send,
    readHead: createRequestHeadReader(),
    crossOrigin: createCrossOrigin([publicUrl, ...options.allowedOrigins]),
    admission: options.admission,
    createCorrelationId: options.createCorrelationId ?? createCorrelationId,
  })
  const routes = createRoutes(options, backends, createHandler)

  return {
    find: path => routes.get(path),
    drain(spreadMs) {
      streams.drain(spreadMs)
      lists?.clear()
      for (const backend of backends) backend.retire()
    },
    state: () => ({
      callsInFlight: connections.count(),
      eventStreams: streams.count(),
      lists: lists?.size() ?? { entries: 0, bytes: 0 },
      backends: backends.map(describeBackend),
    }),
    async close() {
      streams.stop()
      options.callLimits?.close()
      lists?.close()
      clearInterval(clock)
      await Promise.all(backends.map(backend => backend.close()))
    },
  }
}

function createBackends(
  { backends, observe, now, logger, resolveName = createNameResolver() }: ProxyOptions,
  random: () => number,
): Backend[] {
  return backends.map(backend =>
    createBackend(backend, {
      ...{ now, random, resolveName, logger },
      observer: observe?.(backend.name),
    }),
  )
}

function startClock(
  connections: Connections,
  backends: readonly Backend[],
  refusals: Pick<Refusals, 'fail'>,
): NodeJS.Timeout {
  return setInterval(() => {
    for (const call of connections.all()) enforceLimits(call, TICK_MS, refusals)
    for (const backend of backends) backend.tick()
  }, TICK_MS).unref()
}

function createRepeatNote(logger: Logger): ForwardOptions['onRepeat'] {
  return ({ arrival: { correlationId, backend } }, { name: instance }, reason) =>
    logger.info({ correlationId, backend: backend.name, instance, reason }, 'sent once more')
}

function describeBackend({ name, resource, balancer }: Backend): ProxyState['backends'][number] {
  const instances = balancer.members.map(member => ({
    instance: member.value.name,
    state: stateOf(member),
    inFlight: member.calls + member.streams,
    streams: member.streams,
  }))
  return { name, resource, instances }
}

function createRoutes(
  { publicUrl, authorizationServer }: ProxyOptions,
  backends: readonly Backend[],
  createHandler: ReturnType<typeof createHandlers>,
): Map<string, Handler> {
  const routes = new Map<string, Handler>()
  for (const backend of backends) {
    routes.set(backend.path, createHandler(backend, createChallenges(publicUrl, backend)))
    const metadata = createMetadataHandler(authorizationServer, backend)
    for (const path of metadataPaths(backend, backends.length === 1)) routes.set(path, metadata)
  }
  return routes
}

/** Scheme and host are those of `publicUrl`, whatever a request says that they are. */
function createInjection({
  publicUrl,
  trustedProxies,
  watchCache = watchNothing,
}: ProxyOptions): ForwardOptions['inject'] {
  const { protocol, host } = new URL(publicUrl)
  const scheme = protocol.slice(0, -1)
  const readHops = createHopReader(trustedProxies, watchCache)
  // One string for each token, so that what is found out about it is found out once.
  const bearers = new LRUCache<string, string>({ max: BEARER_CACHE_SIZE })
  watchCache('bearers', () => bearers.size)
  const bearerOf = (accessToken: string): string => {
    const known = bearers.get(accessToken)
    if (known !== undefined) return known
    const bearer = `Bearer ${accessToken}`
    bearers.set(accessToken, bearer)
    return bearer
  }
  return ({ arrival, accessToken }, fields) => {
    if (accessToken !== undefined) fields.push('authorization', bearerOf(accessToken))
    const hops = readHops(arrival.req.socket.remoteAddress, arrival.head.forwardedFor)
    fields.push('x-request-id', arrival.correlationId)
    fields.push('x-forwarded-for', hops, 'x-forwarded-proto', scheme, 'x-forwarded-host', host)
  }
}

/** A backend that keeps sessions breaks as soon as the next request meets another instance; said once, since it is said on each request otherwise. */
function createStatefulWarning(logger: Logger): (call: Call, fields: ResponseFields) => void {
  const warned = new Set<string>()
  return ({ arrival: { backend } }, { namesSession }) => {
    if (!namesSession || warned.has(backend.name)) return
    warned.add(backend.name)
    const advice = 'the backend keeps sessions, and its other instances will not know them'
    logger.warn({ backend: backend.name, instances: backend.balancer.members.length }, advice)
  }
}

function noteSuccess(logger: Logger, { arrival }: Call): void {
  if (!logger.isLevelEnabled('debug')) return
  const { correlationId, backend, req, res, trace } = arrival
  const { method } = req
  const traced = trace && { traceId: trace.traceId }
  logger.debug(
    { correlationId, backend: backend.name, method, status: res.statusCode, ...traced },
    'forwarded',
  )
}
