import { LRUCache } from 'lru-cache'
import type { Grant } from '../domain/grant.ts'
import { OutageError } from '../domain/outage.ts'
import { createId } from '../domain/secret.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import { type Changes, createChanges } from './changes.ts'
import { claimLease } from './held-lease.ts'
import { judgeGrant, redeemUnderLease } from './redemption.ts'
import type {
  RefreshContext,
  Refreshed,
  RefresherOptions,
  RefreshOutcome,
  Unavailable,
} from './refresh-context.ts'

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
  /** Ends all waiting, and resolves when what is under way at the upstream is stored: its answer may be the only copy of a rotated token. */
  close(): Promise<void>
}

/** How long a failed grant is left alone, so that a thousand calls do not become a thousand requests to an IdP in trouble. */
const COOL_DOWN_MS = 1000
const COOL_DOWN_AT_MOST_MS = 60_000

export function createRefresher(options: RefresherOptions): Refresher {
  const running = new Map<string, Promise<RefreshOutcome>>()
  const cooling = createCoolDown(options.watchCache)
  const changes = createChanges()
  const closing = new AbortController()

  const start = (
    seen: Grant,
    { force, correlationId = createId() }: RefreshRequest,
  ): Promise<RefreshOutcome> => {
    const { grantId, upstream } = seen
    const logger = options.logger.child({ correlationId, grantId, upstream })
    const context = { ...options, logger, seen, force, closing: closing.signal }
    return claimOrWait(context, changes)
      .catch(failure => describeOutage(failure, logger))
      .then(outcome => {
        if (outcome.outcome === 'unavailable') cooling.begin(grantId, outcome)
        if (outcome.outcome === 'refreshed') noteRefreshed(logger, outcome)
        return outcome
      })
      .finally(() => running.delete(grantId))
  }

  return {
    refresh: async (seen, request) => {
      const { grantId } = seen
      for (let joined = running.get(grantId); joined; joined = running.get(grantId)) {
        const outcome = await joined
        if (leadsBeyond(outcome, seen)) return asJoined(outcome)
      }
      const cooled = cooling.find(grantId)
      if (cooled) return cooled
      const work = start(seen, request)
      running.set(grantId, work)
      return work
    },
    mayStart: grantId => !running.has(grantId) && !cooling.find(grantId),
    wake: changes.wake,
    close: async () => {
      closing.abort()
      for (const grantId of running.keys()) changes.wake(grantId)
      await Promise.all(running.values())
    },
  }
}

/** Remembers failures: for a moment, or for as long as the upstream asked to be left alone. */
function createCoolDown(watchCache: WatchCache = watchNothing) {
  const cooling = new LRUCache<string, { outcome: Unavailable; endsAt: number }>({ max: 20_000 })
  watchCache('failed_refreshes', () => cooling.size)
  return {
    begin: (grantId: string, outcome: Unavailable): void => {
      // A second less than callers are told: who comes back in time finds it over.
      const wished = (outcome.retryAfterSeconds - 1) * 1000
      const ttl = Math.min(Math.max(wished, COOL_DOWN_MS), COOL_DOWN_AT_MOST_MS)
      cooling.set(grantId, { outcome, endsAt: performance.now() + ttl }, { ttl })
    },
    find: (grantId: string): Unavailable | undefined => {
      const entry = cooling.get(grantId)
      if (!entry) return undefined
      const leftSeconds = Math.ceil((entry.endsAt - performance.now()) / 1000)
      return { ...entry.outcome, retryAfterSeconds: Math.max(leftSeconds, 0) + 1 }
    },
  }
}

/** Claims the lease, or waits for whoever holds it, until one of both has led to a token or the time is up. */
async function claimOrWait(context: RefreshContext, changes: Changes): Promise<RefreshOutcome> {
  const { grants, seen, logger, closing, refreshTimeoutMs } = context
  const deadline = performance.now() + refreshTimeoutMs * 2
  const owner = createId()
  while (performance.now() < deadline && !closing.aborted) {
    // Listening begins before the claim: what happens in between is not missed.
    const change = changes.next(seen.grantId)
    try {
      const claim = await claimLease(grants, seen.grantId, owner)
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

/** Whether an outcome is of use to somebody who saw `seen`: a refresh that began before that may have led no further. */
function leadsBeyond(outcome: RefreshOutcome, seen: Grant): boolean {
  return outcome.outcome !== 'refreshed' || outcome.grant.version > seen.version
}

function noteRefreshed(logger: Logger, { path, grant }: Refreshed): void {
  const line = { path, version: grant.version }
  if (path === 'refreshed') logger.info(line, 'upstream tokens refreshed')
  else logger.info(line, 'upstream tokens refreshed by another replica')
}

/** The one translation of a failed store (or of a mistake of ours) into an answer that loses nothing. */
export function describeOutage(failure: unknown, logger: Logger): Unavailable {
  if (failure instanceof OutageError) {
    const { dependency, retryAfterSeconds } = failure
    logger.warn({ err: failure }, `the ${dependency} gave no answer; the grant is kept`)
    return { outcome: 'unavailable', reason: `${dependency}_outage`, retryAfterSeconds }
  }
  logger.error({ err: failure }, 'coming by an upstream token failed unexpectedly')
  return { outcome: 'unavailable', reason: 'unexpected', retryAfterSeconds: 2 }
}

function asJoined(outcome: RefreshOutcome): RefreshOutcome {
  return outcome.outcome === 'refreshed' ? { ...outcome, path: 'joined' } : outcome
}
