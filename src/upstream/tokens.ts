import { LRUCache } from 'lru-cache'
import type { Grant } from '../domain/grant.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore, Invalidations } from '../store/port.ts'
import { judgeFreshness } from './freshness.ts'
import {
  createRefresher,
  describeOutage,
  type Refresher,
  type RefreshOutcome,
  type UpstreamOf,
} from './refresher.ts'

/** A grant whose upstream access token can be used now. */
export type Usable = {
  outcome: 'usable'
  grant: Grant
  accessToken: string
  /** How it was come by; for the log and the metrics. */
  path: 'cache' | 'store' | 'joined' | 'waited' | 'refreshed'
}

/**
 * What a caller gets who asks for a fresh upstream token.
 *
 * - `gone`: the grant is revoked, expired, or its upstream wants a new login. The client must authorize again.
 * - `unavailable`: store or upstream cannot answer now. Nothing is lost; try again.
 * - `rejected`: a backend refuses a token that is as new as can be. The grant lives, but not for this backend.
 */
export type FreshToken =
  | Usable
  | { outcome: 'gone'; reason: string }
  | { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }
  | { outcome: 'rejected' }

/** The one source of upstream tokens; every entry uses it. */
export type UpstreamTokenSource = {
  /** The cached token where it is fresh: no promise, no store. For the hot path. */
  peek(grantId: string): Usable | undefined
  /** A fresh token, from wherever it takes. Never rejects. */
  resolve(grantId: string, correlationId: string): Promise<FreshToken>
  /**
   * A token other than `rejected`, which a backend has refused with 401: by another's refresh meanwhile, or by one that is forced now. Never rejects.
   */
  resolveAfterRejection(
    grantId: string,
    rejected: string,
    correlationId: string,
  ): Promise<FreshToken>
  close(): void
}

export type UpstreamTokenSourceOptions = {
  grants: GrantStore
  invalidations: Invalidations
  upstream: UpstreamOf
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  /** How long a grant is used without asking the store; the bound on a lost invalidation. */
  cacheMs?: number
  /** How many grants are held at most. */
  cacheSize?: number
  /** Bound of one refresh, all tries together. */
  refreshTimeoutMs: number
}

/** A backend that refuses even a token this young is not helped by another one. */
const TOO_YOUNG_TO_BLAME_SECONDS = 5

type Cached = { usable: Usable; jitter: number }

export function createUpstreamTokenSource(
  options: UpstreamTokenSourceOptions,
): UpstreamTokenSource {
  const { invalidations, now, cacheMs = 5000, cacheSize = 20_000 } = options
  const refresher = createRefresher(options)
  const cache = new LRUCache<string, Cached>({ max: cacheSize, ttl: cacheMs })
  const gone = new LRUCache<string, FreshToken>({ max: cacheSize, ttl: cacheMs })
  const once = createOnce()

  const remember = (grantId: string, answer: FreshToken): void => {
    if (answer.outcome === 'gone') gone.set(grantId, answer)
    if (answer.outcome === 'usable') {
      cache.set(grantId, { usable: { ...answer, path: 'cache' }, jitter: Math.random() })
    }
  }
  const unsubscribe = invalidations.subscribe(message => {
    if (message.kind !== 'grant') return
    cache.delete(message.grantId)
    once.spoil(message.grantId)
    refresher.wake(message.grantId)
  })
  const peek = (grantId: string): Usable | undefined => {
    const cached = cache.get(grantId)
    if (!cached) return undefined
    const { grant } = cached.usable
    const freshness = judgeFreshness(grant.upstreamTokens, now(), cached.jitter)
    if (freshness === 'stale') return undefined
    if (freshness === 'ahead') refreshBehind(refresher, grant)
    return cached.usable
  }
  return {
    peek,
    resolve: async (grantId, correlationId) =>
      peek(grantId) ??
      gone.get(grantId) ??
      once.run(grantId, 'load', () => load(options, refresher, grantId, correlationId), remember),
    resolveAfterRejection: (grantId, rejected, correlationId) => {
      cache.delete(grantId)
      const renew = () => renewRejected(options, refresher, grantId, rejected, correlationId)
      return once.run(grantId, `renew ${rejected}`, renew, remember)
    },
    close: () => {
      unsubscribe()
      refresher.close()
    },
  }
}

/** Joins callers to the work that is under way for the same thing, and only to that: a settled result is never shared. */
function createOnce() {
  const running = new Map<string, Map<string, Promise<FreshToken>>>()
  return {
    run: (
      grantId: string,
      what: string,
      work: () => Promise<FreshToken>,
      remember: (grantId: string, answer: FreshToken) => void,
    ): Promise<FreshToken> => {
      const ofGrant = running.get(grantId) ?? new Map<string, Promise<FreshToken>>()
      const joined = ofGrant.get(what)
      if (joined) return joined.then(asJoined)
      const promise = work()
        .then(answer => {
          if (running.get(grantId) === ofGrant) remember(grantId, answer)
          return answer
        })
        .finally(() => {
          ofGrant.delete(what)
          if (ofGrant.size === 0 && running.get(grantId) === ofGrant) running.delete(grantId)
        })
      ofGrant.set(what, promise)
      running.set(grantId, ofGrant)
      return promise
    },
    /** The grant has changed: what is under way may have read it before, so its result is neither joined any more nor remembered. */
    spoil: (grantId: string): void => {
      running.delete(grantId)
    },
  }
}

/** The call goes out with the token it has; whatever comes of the refresh is met by a later one. */
function refreshBehind(refresher: Refresher, grant: Grant): void {
  if (grant.upstreamTokens.refreshToken === undefined || !refresher.mayStart(grant.grantId)) return
  void refresher.refresh(grant, { force: false })
}

async function load(
  { grants, now, logger }: UpstreamTokenSourceOptions,
  refresher: Refresher,
  grantId: string,
  correlationId: string,
): Promise<FreshToken> {
  try {
    const grant = await grants.find(grantId)
    if (!grant || grant.dead) return notUsable(grant)
    const freshness = judgeFreshness(grant.upstreamTokens, now(), Math.random())
    if (freshness === 'stale') {
      return answerOf(await refresher.refresh(grant, { force: false, correlationId }))
    }
    if (freshness === 'ahead') refreshBehind(refresher, grant)
    return usable(grant, 'store')
  } catch (failure) {
    return describeOutage(failure, logger)
  }
}

async function renewRejected(
  { grants, now, logger }: UpstreamTokenSourceOptions,
  refresher: Refresher,
  grantId: string,
  rejected: string,
  correlationId: string,
): Promise<FreshToken> {
  try {
    const grant = await grants.find(grantId)
    if (!grant || grant.dead) return notUsable(grant)
    const { accessToken, issuedAt } = grant.upstreamTokens
    if (accessToken !== rejected) return usable(grant, 'store')
    if (now() - issuedAt < TOO_YOUNG_TO_BLAME_SECONDS) return { outcome: 'rejected' }
    return answerOf(await refresher.refresh(grant, { force: true, correlationId }))
  } catch (failure) {
    return describeOutage(failure, logger)
  }
}

function usable(grant: Grant, path: Usable['path']): Usable {
  return { outcome: 'usable', grant, accessToken: grant.upstreamTokens.accessToken, path }
}

function notUsable(grant: Grant | undefined): FreshToken {
  return { outcome: 'gone', reason: grant?.dead?.error ?? 'revoked_or_expired' }
}

function answerOf(outcome: RefreshOutcome): FreshToken {
  return outcome.outcome === 'refreshed' ? usable(outcome.grant, outcome.path) : outcome
}

function asJoined(answer: FreshToken): FreshToken {
  return answer.outcome === 'usable' ? { ...answer, path: 'joined' } : answer
}
