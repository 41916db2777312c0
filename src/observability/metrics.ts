import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { AUDIT_EVENTS, AUDIT_OUTCOMES, type AuditEvent } from './audit.ts'
import { type CacheName, type Caches, createCaches } from './caches.ts'
import { createCounterFamily } from './instruments.ts'
import { createListMetrics, type ListMetrics } from './list-metrics.ts'
import type { LostLines } from './log.ts'
import { type BackendMetrics, createRequestMetrics } from './request-metrics.ts'

/** What the gateway counts and measures. Labels are bounded: every value comes from the configuration, from a fixed list or from a list that is learned up to a size. */
export type Metrics = {
  backend(name: string): BackendMetrics
  /** Of the cache of what one backend lists. */
  lists(backend: string): ListMetrics
  auditEvent(event: AuditEvent): void
  storeOperation(operation: string, result: 'ok' | 'outage' | 'error', seconds: number): void
  /** @param result `refreshed`, or why not */
  upstreamRefresh(result: string, seconds: number): void
  /** @param result `exchanged`, or why not */
  upstreamExchange(backend: string, result: string, seconds: number): void
  /** Where the upstream token of a call came from, or why there was none. */
  tokenLookUp(path: string): void
  reload(succeeded: boolean): void
  /** @param limit which of the rate limits has refused a request */
  rateLimited(limit: string): void
  /** @param fingerprint the same on replicas with the same configuration */
  configured(fingerprint: number): void
  /** @param reason from a fixed list */
  refusal(reason: string): void
  /** The caches of one configuration. */
  caches(): Caches
  /** The text for Prometheus, with what `sources` says now. */
  render(sources: GaugeSources): Promise<{ contentType: string; text: string }>
}

/** What is not counted but asked for. */
export type GaugeSources = {
  eventStreams(): number
  /** Entries of each cache. */
  cacheSizes(): ReadonlyMap<string, number>
  requestsInFlight(): number
  keptLists(): { entries: number; bytes: number }
  instances(): readonly { backend: string; serving: number; ejected: number }[]
  isStoreReachable(): Promise<boolean>
}

export const METRIC_PREFIX = 'mcp_gateway_'

const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
const REFRESH_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const REFRESH_RESULTS = ['refreshed', 'dead', 'operator', 'transient', 'ambiguous', 'invalid']
const REPLAYS = ['authorization_code', 'refresh_token']

/**
 * @param version of the gateway; for the build info
 * @param lostLines of the log
 */
export function createMetrics(version: string, lostLines: LostLines = { value: 0 }): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({
    register: registry,
    prefix: METRIC_PREFIX,
    eventLoopMonitoringPrecision: 20,
  })
  const requests = createRequestMetrics(METRIC_PREFIX)
  const lists = createListMetrics(METRIC_PREFIX)
  const lookUps = createCounterFamily({
    name: `${METRIC_PREFIX}upstream_token_lookups_total`,
    help: 'Where the upstream token of a call came from, or why there was none; `cache` is the usual way.',
    labelNames: ['path'],
  })
  const cacheLookUps = createCounterFamily({
    name: `${METRIC_PREFIX}cache_lookups_total`,
    help: 'Look-ups in the caches of this process, by what came of them.',
    labelNames: ['cache', 'result'],
  })
  const countsOf = (name: CacheName) => ({
    get hits() {
      return cacheLookUps.cell(name, 'hit')
    },
    get misses() {
      return cacheLookUps.cell(name, 'miss')
    },
  })
  const lookUpCells = new Map<string, { value: number }>()
  const gauges = createGauges(registry)
  exportLostLines(registry, lostLines)
  createGauge(registry, 'build_info', 'Always 1; the labels say what runs.', ['version', 'node'])
    .labels(version, process.version)
    .set(1)
  return {
    backend: requests.backend,
    lists: lists.backend,
    ...createRareMetrics(registry),
    caches: () => createCaches(countsOf),
    tokenLookUp(path) {
      const cell = lookUpCells.get(path) ?? lookUps.cell(path)
      lookUpCells.set(path, cell)
      cell.value += 1
    },
    async render(sources) {
      await gauges.read(sources)
      const text = await registry.metrics()
      return {
        contentType: registry.contentType,
        text: [requests, lists, lookUps, cacheLookUps].reduce(
          (all, part) => all + part.render(),
          text,
        ),
      }
    },
  }
}

const LIMITS = ['register', 'authorize', 'token', 'subject', 'client', 'backend', 'tool']

/** What happens seldom enough for labels to be looked up each time. */
function createRareMetrics(registry: Registry) {
  const store = new Histogram({
    name: `${METRIC_PREFIX}store_operation_seconds`,
    help: 'Operations of the store by result, and how long they took.',
    labelNames: ['operation', 'result'],
    buckets: STORE_BUCKETS,
    registers: [registry],
  })
  const refusals = new Counter({
    name: `${METRIC_PREFIX}refused_requests_total`,
    help: 'Requests, and connections, that were refused before anything was known of them, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  })
  const limited = new Counter({
    name: `${METRIC_PREFIX}rate_limited_total`,
    help: 'Requests that were refused because too many came, by limit.',
    labelNames: ['limit'],
    registers: [registry],
  })
  for (const limit of LIMITS) limited.labels(limit).inc(0)
  return {
    ...createDecisionMetrics(registry),
    ...createUpstreamMetrics(registry),
    ...createConfigMetrics(registry),
    storeOperation: (operation, result, seconds) =>
      store.labels(operation, result).observe(seconds),
    rateLimited: limit => limited.labels(limit).inc(),
    refusal: reason => refusals.labels(reason).inc(),
  } satisfies Partial<Metrics>
}

function createDecisionMetrics(registry: Registry): Pick<Metrics, 'auditEvent'> {
  const audit = new Counter({
    name: `${METRIC_PREFIX}authorization_events_total`,
    help: 'Decisions about access (registration, consent, login, token, revocation and others) by outcome.',
    labelNames: ['event', 'outcome'],
    registers: [registry],
  })
  const replays = new Counter({
    name: `${METRIC_PREFIX}replays_total`,
    help: 'Grants that ended because a code or a refresh token was used a second time.',
    labelNames: ['kind'],
    registers: [registry],
  })
  // A counter that appears with its first event has no increase there.
  for (const kind of REPLAYS) replays.labels(kind).inc(0)
  for (const event of AUDIT_EVENTS)
    for (const outcome of AUDIT_OUTCOMES) audit.labels(event, outcome).inc(0)
  return {
    auditEvent: ({ event, outcome, replayed }) => {
      audit.labels(event, outcome).inc()
      if (replayed !== undefined) replays.labels(replayed).inc()
    },
  }
}

function createUpstreamMetrics(
  registry: Registry,
): Pick<Metrics, 'upstreamRefresh' | 'upstreamExchange'> {
  const refresh = new Histogram({
    name: `${METRIC_PREFIX}upstream_refresh_seconds`,
    help: 'Refreshes of upstream tokens at the identity provider by result, and how long they took.',
    labelNames: ['result'],
    buckets: REFRESH_BUCKETS,
    registers: [registry],
  })
  const exchange = new Histogram({
    name: `${METRIC_PREFIX}upstream_exchange_seconds`,
    help: 'Exchanges of tokens at the identity provider by backend and result, and how long they took.',
    labelNames: ['backend', 'result'],
    buckets: REFRESH_BUCKETS,
    registers: [registry],
  })
  for (const result of REFRESH_RESULTS) refresh.zero({ result })
  return {
    upstreamRefresh: (result, seconds) => refresh.labels(result).observe(seconds),
    upstreamExchange: (backend, result, seconds) =>
      exchange.labels(backend, result).observe(seconds),
  }
}

function exportLostLines(registry: Registry, lost: LostLines): void {
  new Counter({
    name: `${METRIC_PREFIX}log_lines_lost_total`,
    help: 'Lines of the log, audit included, that were dropped or that nobody reads any more.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(lost.value)
    },
  })
}

function createConfigMetrics(registry: Registry): Pick<Metrics, 'reload' | 'configured'> {
  const reloads = new Counter({
    name: `${METRIC_PREFIX}config_reloads_total`,
    help: 'Reloads of the configuration by result.',
    labelNames: ['result'],
    registers: [registry],
  })
  const lastReload = createGauge(
    registry,
    'config_last_reload_successful',
    'Whether the configuration that is in its file is the one that runs.',
  )
  lastReload.set(1)
  const fingerprint = createGauge(
    registry,
    'config_fingerprint',
    'A number that differs where replicas run different configurations.',
  )
  for (const result of ['success', 'failure']) reloads.labels(result).inc(0)
  return {
    reload: succeeded => {
      reloads.labels(succeeded ? 'success' : 'failure').inc()
      lastReload.set(succeeded ? 1 : 0)
    },
    configured: value => fingerprint.set(value),
  }
}

function createGauges(registry: Registry) {
  const streams = createGauge(registry, 'event_streams', 'Event streams that are open.')
  const inFlight = createGauge(
    registry,
    'requests_in_flight',
    'Calls on their way to a backend or back, open streams among them.',
  )
  const lists = createGauge(registry, 'list_cache_entries', 'Answers that the list cache holds.')
  const listBytes = createGauge(registry, 'list_cache_bytes', 'Memory that they take, about.')
  const caches = createGauge(registry, 'cache_entries', 'Entries of the caches of this process.', [
    'cache',
  ])
  const instances = createGauge(
    registry,
    'backend_instances',
    'Instances of each backend by state.',
    ['backend', 'state'],
  )
  const store = createGauge(registry, 'store_reachable', 'Whether the store answers.')
  return {
    async read(sources: GaugeSources): Promise<void> {
      streams.set(sources.eventStreams())
      inFlight.set(sources.requestsInFlight())
      const { entries, bytes } = sources.keptLists()
      lists.set(entries)
      listBytes.set(bytes)
      for (const [name, size] of sources.cacheSizes()) caches.labels(name).set(size)
      // A backend that a reload has taken away is counted no more.
      instances.reset()
      for (const { backend, serving, ejected } of sources.instances()) {
        instances.labels(backend, 'serving').set(serving)
        instances.labels(backend, 'ejected').set(ejected)
      }
      store.set((await sources.isStoreReachable()) ? 1 : 0)
    },
  }
}

function createGauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[] = [],
): Gauge<Label> {
  return new Gauge({ name: METRIC_PREFIX + name, help, labelNames, registers: [registry] })
}
