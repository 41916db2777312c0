import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditEvent } from './audit.ts'

/** How an operation of the store, or a refresh at the upstream, ended. */
export type StoreResult = 'ok' | 'outage' | 'error'
export type RefreshResultLabel = 'refreshed' | 'waited' | 'dead' | 'operator' | 'transient' | 'lost'

/** What the gateway counts and measures. Labels are bounded: every value comes from the configuration or from a fixed list. */
export type Metrics = {
  registry: Registry
  auditEvent(event: AuditEvent): void
  storeOperation(operation: string, result: StoreResult, seconds: number): void
  upstreamRefresh(upstream: string, result: RefreshResultLabel): void
  tokenSource(
    path:
      | 'cache'
      | 'store'
      | 'joined'
      | 'waited'
      | 'refreshed'
      | 'gone'
      | 'unavailable'
      | 'rejected',
  ): void
  reload(succeeded: boolean): void
}

const PREFIX = 'mcp_gateway_'
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** @param version of the gateway; for the build info */
export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision: 20 })
  const registers = [registry]
  const build = new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers,
  })
  build.labels(version, process.version).set(1)
  const audit = new Counter({
    name: `${PREFIX}authorization_events_total`,
    help: 'Steps of the authorization flow (registration, consent, login, token, revocation, …) by outcome.',
    labelNames: ['event', 'outcome'],
    registers,
  })
  const store = new Histogram({
    name: `${PREFIX}store_operation_seconds`,
    help: 'Operations of the store by result, and how long they took.',
    labelNames: ['operation', 'result'],
    buckets: STORE_BUCKETS,
    registers,
  })
  const refresh = new Counter({
    name: `${PREFIX}upstream_refreshes_total`,
    help: 'Refreshes of upstream tokens by result.',
    labelNames: ['upstream', 'result'],
    registers,
  })
  const source = new Counter({
    name: `${PREFIX}upstream_token_lookups_total`,
    help: 'Where upstream tokens for calls came from; `cache` is the hot path.',
    labelNames: ['path'],
    registers,
  })
  const reloads = new Counter({
    name: `${PREFIX}config_reloads_total`,
    help: 'Reloads of the configuration by result.',
    labelNames: ['result'],
    registers,
  })
  return {
    registry,
    auditEvent: ({ event, outcome }) => audit.labels(event, outcome).inc(),
    storeOperation: (operation, result, seconds) =>
      store.labels(operation, result).observe(seconds),
    upstreamRefresh: (upstream, result) => refresh.labels(upstream, result).inc(),
    tokenSource: path => source.labels(path).inc(),
    reload: succeeded => reloads.labels(succeeded ? 'success' : 'failure').inc(),
  }
}
