import { type Grant, grantExpiresAt } from '../domain/grant.ts'
import type { Lease } from '../store/port.ts'
import {
  type BackendCredential,
  type ExchangeCredential,
  findInjected,
  isExchanged,
} from './credential.ts'
import { isSubjectRefused } from './exchange.ts'
import type { UpstreamFailure } from './failure.ts'
import { judgeFreshness } from './freshness.ts'
import { holdLease } from './held-lease.ts'
import { persistUpdate } from './persist.ts'
import type { Upstream } from './provider.ts'
import type { RefreshResult } from './refresh.ts'
import type { RefreshContext, RefreshOutcome } from './refresh-context.ts'

/**
 * What the store says of the grant by now: gone, dead, or renewed by somebody else.
 *
 * @returns `undefined` where it still is as the caller saw it
 */
export function judgeGrant(
  current: Grant | undefined,
  { seen, force, now, injector }: Pick<RefreshContext, 'seen' | 'force' | 'now' | 'injector'>,
): RefreshOutcome | undefined {
  if (!current) return { outcome: 'gone', reason: 'revoked_or_expired' }
  if (current.dead) return { outcome: 'gone', reason: current.dead.error }
  if (current.version === seen.version) return undefined
  // Of the two writes of an exchange it may be the first that is seen; that one brings no token for the backend.
  if (!hasToken(current, injector)) return undefined
  if (!force && injector.judge(current, now(), 0) === 'stale') return undefined
  return { outcome: 'refreshed', grant: current, path: 'waited' }
}

/**
 * Redeems the upstream refresh token, having claimed the right to: looks again first, stores before anything else, gives the lease back in any case.
 *
 * @param claimed the grant as it is under the lease
 */
export async function redeemUnderLease(
  context: RefreshContext,
  lease: Lease,
  claimed: Grant,
): Promise<RefreshOutcome> {
  const { grants, refreshTimeoutMs } = context
  const limit = AbortSignal.timeout(refreshTimeoutMs)
  const held = holdLease(grants, { lease, grant: claimed }, limit)
  try {
    const already = judgeGrant(claimed, context)
    if (already) return already
    const upstream = context.upstream(claimed.upstream)
    if (!upstream) {
      return await fail(context, lease, claimed, { kind: 'operator', error: 'unknown_upstream' })
    }
    return await renew({ context, lease, upstream, signal: held.signal }, claimed)
  } finally {
    await held.release()
  }
}

/** Whether a grant has what its backend gets, however old. */
function hasToken(grant: Grant, { credentialOf }: RefreshContext['injector']): boolean {
  const credential = credentialOf(grant)
  return credential !== undefined && findInjected(grant.upstreamTokens, credential) !== undefined
}

/** What a renewal works with, once it holds the lease. */
type Renewal = {
  context: RefreshContext
  lease: Lease
  upstream: Upstream
  signal: AbortSignal
}

/** Brings the grant what its backend gets: the upstream's token for it, and where the backend gets another one in its place, that one too. */
async function renew(renewal: Renewal, claimed: Grant): Promise<RefreshOutcome> {
  const { injector, force, now } = renewal.context
  const credential = injector.credentialOf(claimed)
  if (!credential) return { outcome: 'gone', reason: 'other_upstream' }
  if (!isExchanged(credential)) return refresh(renewal, claimed, credential)
  if (force || judgeFreshness(claimed.upstreamTokens, now(), 0) === 'stale') {
    const refreshed = await refresh(renewal, claimed, credential)
    return refreshed.outcome === 'refreshed' && refreshed.path === 'refreshed'
      ? exchange(renewal, refreshed.grant, credential)
      : refreshed
  }
  return exchange(renewal, claimed, credential, () => refresh(renewal, claimed, credential))
}

async function refresh(
  { context, lease, upstream, signal }: Renewal,
  claimed: Grant,
  credential: BackendCredential,
): Promise<RefreshOutcome> {
  const wanted = credential.kind === 'refresh' ? credential : undefined
  if (wanted && claimed.upstreamTokens.refreshToken === undefined) {
    // Another login would bring none either.
    return fail(context, lease, claimed, { kind: 'operator', error: 'no_refresh_token' })
  }
  const result = await upstream.refresh(claimed, signal, wanted)
  return result.outcome === 'refreshed'
    ? store(context, lease, claimed, result, upstream)
    : fail(context, lease, claimed, result.failure)
}

/** @param refreshFirst a refresh, where the token to exchange is not of this moment: the upstream may have ended it before its time */
async function exchange(
  renewal: Renewal,
  grant: Grant,
  credential: ExchangeCredential,
  refreshFirst?: () => Promise<RefreshOutcome>,
): Promise<RefreshOutcome> {
  const { context, lease, upstream, signal } = renewal
  const result = await upstream.exchange(grant, credential, signal)
  if (result.outcome === 'exchanged') {
    const tokens = { ...grant.upstreamTokens, derived: result.derived }
    return store(context, lease, grant, { outcome: 'refreshed', tokens }, upstream)
  }
  const { failure } = result
  const canRefresh = grant.upstreamTokens.refreshToken !== undefined
  if (!refreshFirst || !canRefresh || !isSubjectRefused(failure)) {
    return fail(context, lease, grant, failure)
  }
  const refreshed = await refreshFirst()
  return refreshed.outcome === 'refreshed' && refreshed.path === 'refreshed'
    ? exchange(renewal, refreshed.grant, credential)
    : refreshed
}

async function store(
  context: RefreshContext,
  lease: Lease,
  claimed: Grant,
  { tokens, identity }: RefreshResult & { outcome: 'refreshed' },
  upstream: Upstream,
): Promise<RefreshOutcome> {
  const { grants, logger, refreshTimeoutMs, lifetime, now } = context
  const renewed = {
    ...claimed,
    upstreamTokens: tokens,
    version: claimed.version + 1,
    ...(identity && { identity }),
  }
  const expiresAt = grantExpiresAt(renewed, lifetime, now())
  const update = { tokens, expiresAt, ...(identity && { identity }) }
  const deadline = performance.now() + refreshTimeoutMs * 2
  if (await persistUpdate(grants, lease, claimed, update, deadline, logger)) {
    return { outcome: 'refreshed', grant: renewed, path: 'refreshed' }
  }
  const current = await grants.find(claimed.grantId)
  logger.warn({ path: 'lost', revoked: !current }, 'refreshed upstream tokens came too late')
  // A grant that was revoked meanwhile took its old refresh token with it, but not this one.
  if (!current) await upstream.revoke(tokens).catch(() => false)
  return judgeAfter(context, claimed, current)
}

async function fail(
  context: RefreshContext,
  lease: Lease,
  claimed: Grant,
  failure: UpstreamFailure,
): Promise<RefreshOutcome> {
  const { logger } = context
  const { kind, error, status, description, retryAfterSeconds = 2 } = failure
  const line = { path: 'failed', failure: kind, error, status, upstreamDescription: description }
  if (kind === 'dead') {
    logger.warn(line, 'the upstream wants a new login')
    return bury(context, lease, claimed, failure)
  }
  if (kind === 'operator')
    logger.error(line, 'the upstream refuses this gateway; its registration there needs attention')
  else logger.warn(line, 'the upstream did not refresh; the grant is kept')
  return { outcome: 'unavailable', reason: `upstream_${kind}`, retryAfterSeconds }
}

/** Notes the death, unless somebody has written since: then it was an old refresh token that the upstream refused. */
async function bury(
  context: RefreshContext,
  lease: Lease,
  claimed: Grant,
  { error, claims }: UpstreamFailure,
): Promise<RefreshOutcome> {
  const { grants, now } = context
  const death = { error, at: now(), ...(claims !== undefined && { claims }) }
  if (await grants.markDead(lease, claimed.version, death)) {
    return { outcome: 'gone', reason: error }
  }
  return judgeAfter(context, claimed, await grants.find(claimed.grantId))
}

/** The outcome after a write that was refused. */
function judgeAfter(
  context: RefreshContext,
  claimed: Grant,
  current: Grant | undefined,
): RefreshOutcome {
  const outcome = judgeGrant(current, { ...context, seen: claimed })
  return outcome ?? { outcome: 'unavailable', reason: 'lease_lost', retryAfterSeconds: 2 }
}
