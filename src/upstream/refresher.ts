import { LRUCache } from 'lru-cache'
import type { Grant } from '../domain/grant.ts'
import { OutageError } from '../domain/outage.ts'
import { createId } from '../domain/secret.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore } from '../store/port.ts'
import { type Changes, createChanges } from './changes.ts'
import type { Upstream } from './provider.ts'
import { judgeGrant, redeemUnderLease } from './redemption.ts'

export type UpstreamOf = (name: string) => Upstream | undefined

export type RefreshOutcome =
  | { outcome: 'refreshed'; grant: Grant; path: 'joined' | 'waited' | 'refreshed' }
  | { outcome: 'gone'; reason: string }
  | { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }

export type RefreshRequest = {
  /** Refresh although the token has not expired: a backend has refused it. */
  force: boolean
  correlationId?: string
}

/** Refreshes the upstream tokens of grants: at most one at a time for each grant, in this process and in all. */
export type Refresher = {
  /** `seen` is the grant whose token is no longer good enough. Never rejects. */
  refresh(seen: Grant, request: RefreshRequest): Promise<RefreshOutcome>
  /** Whether a refresh of this grant could begin now: none is under way, and none has failed a moment ago. */
  mayStart(grantId: string): boolean
  /** The grant was changed somewhere; who waits for that looks again. */
  wake(grantId: string): void
  /** Cancels what is under way at the upstream. */
  close(): void
}

export type RefresherOptions = {
  grants: GrantStore
  upstream: UpstreamOf
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  /** Bound of one refresh, all tries together. */
  refreshTimeoutMs: number
}

/** What one refresh works with. */
export type RefreshContext = RefresherOptions & {
  seen: Grant
  force: boolean
  closing: AbortSignal
}

/** How long a failed grant is left alone, so that a thousand calls do not become a thousand requests to an IdP in trouble. */
const COOL_DOWN_MS = 1000

export function createRefresher(options: RefresherOptions): Refresher {
  const running = new Map<string, Promise<RefreshOutcome>>()
  const cooling = new LRUCache<string, RefreshOutcome>({ max: 20_000, ttl: COOL_DOWN_MS })
  const changes = createChanges()
  const closing = new AbortController()

  const start = (
    seen: Grant,
    { force, correlationId = createId() }: RefreshRequest,
  ): Promise<RefreshOutcome> => {
    const { grantId, upstream } = seen
    const logger = options.logger.child({ correlationId, grantId, upstream })
    return claimOrWait({ ...options, logger, seen, force, closing: closing.signal }, changes)
      .catch(failure => describeOutage(failure, logger))
      .then(outcome => {
        if (outcome.outcome === 'unavailable') cooling.set(grantId, outcome)
        return outcome
      })
      .finally(() => running.delete(grantId))
  }

  return {
    refresh: (seen, request) => {
      const { grantId } = seen
      const joined = running.get(grantId)
      if (joined) return joined.then(asJoined)
      const cooled = cooling.get(grantId)
      if (cooled) return Promise.resolve(cooled)
      const work = start(seen, request)
      running.set(grantId, work)
      return work
    },
    mayStart: grantId => !running.has(grantId) && !cooling.has(grantId),
    wake: changes.wake,
    close: () => closing.abort(),
  }
}

/** Claims the lease, or waits for whoever holds it, until one of both has led to a token or the time is up. */
async function claimOrWait(context: RefreshContext, changes: Changes): Promise<RefreshOutcome> {
  const { grants, seen, logger, closing, refreshTimeoutMs } = context
  const deadline = performance.now() + refreshTimeoutMs * 2
  while (performance.now() < deadline && !closing.aborted) {
    // Listening begins before the claim: what happens in between is not missed.
    const change = changes.next(seen.grantId)
    try {
      const claim = await grants.claimUpstreamRefresh(seen.grantId, createId())
      if (claim) return await redeemUnderLease(context, claim.lease, claim.grant)
      const outcome = judgeGrant(await grants.find(seen.grantId), context)
      if (outcome) return outcome
      await change.settled
    } finally {
      change.cancel()
    }
  }
  logger.warn({ path: 'waited' }, 'another replica holds the refresh for too long')
  return { outcome: 'unavailable', reason: 'refresh_held_elsewhere', retryAfterSeconds: 2 }
}

/** The one translation of a failed store (or of a mistake of ours) into an answer that loses nothing. */
export function describeOutage(
  failure: unknown,
  logger: Logger,
): { outcome: 'unavailable'; reason: string; retryAfterSeconds: number } {
  if (failure instanceof OutageError) {
    const { dependency, retryAfterSeconds } = failure
    return { outcome: 'unavailable', reason: `${dependency}_outage`, retryAfterSeconds }
  }
  logger.error({ err: failure }, 'coming by an upstream token failed unexpectedly')
  return { outcome: 'unavailable', reason: 'unexpected', retryAfterSeconds: 2 }
}

function asJoined(outcome: RefreshOutcome): RefreshOutcome {
  return outcome.outcome === 'refreshed' ? { ...outcome, path: 'joined' } : outcome
}
