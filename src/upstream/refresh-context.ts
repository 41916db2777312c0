/** What the refreshes of upstream tokens work with, and what they come to. */
import type { Grant, GrantLifetime } from '../domain/grant.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore } from '../store/port.ts'
import type { Injector } from './injection.ts'
import type { Upstream } from './provider.ts'

export type UpstreamOf = (name: string) => Upstream | undefined

export type Refreshed = {
  outcome: 'refreshed'
  grant: Grant
  path: 'joined' | 'waited' | 'refreshed'
}
export type Unavailable = { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }

export type RefreshOutcome = Refreshed | { outcome: 'gone'; reason: string } | Unavailable

export type RefresherOptions = {
  grants: GrantStore
  upstream: UpstreamOf
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  /** Bound of one refresh, all tries together. */
  refreshTimeoutMs: number
  lifetime: GrantLifetime
  watchCache?: WatchCache
  injector: Injector
}

/** What one refresh works with. */
export type RefreshContext = RefresherOptions & {
  seen: Grant
  force: boolean
  closing: AbortSignal
}
