import type { Grant } from '../domain/grant.ts'
import { createId } from '../domain/secret.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore } from '../store/port.ts'
import type { FreshToken } from './fresh-token.ts'
import { claimLease, holdLease } from './held-lease.ts'

/** A login that has asked for claims is given this long before it counts as one that did not help. */
const TOO_YOUNG_SECONDS = 30
const LEASE_LIMIT_MS = 10_000

const BUSY: FreshToken = { outcome: 'unavailable', reason: 'grant_busy', retryAfterSeconds: 1 }

type Sources = { grants: GrantStore; logger: Logger; now: () => number }

/**
 * Ends the use of a grant whose backend wants claims that its token lacks, and keeps them for the next login, as where the upstream itself has wanted them.
 *
 * Not where the login has asked for them already, nor right after one that has asked for others: whoever has just signed in would be sent to sign in for ever.
 *
 * @throws OutageError
 */
export async function requireClaims(
  { grants, logger, now }: Sources,
  grantId: string,
  claims: string,
): Promise<FreshToken> {
  const claimed = await claimLease(grants, grantId, createId())
  if (!claimed) return BUSY
  const { grant, lease } = claimed
  const held = holdLease(grants, claimed, AbortSignal.timeout(LEASE_LIMIT_MS))
  try {
    if (grant.dead) return { outcome: 'gone', reason: grant.dead.error }
    if (wasInVain(grant, claims, now())) {
      logger.warn({ grantId }, 'a backend wants claims although the login has asked for them')
      return { outcome: 'forbidden', reason: 'the login did not bring the claims' }
    }
    const death = { error: 'insufficient_claims', at: now(), claims }
    if (!(await grants.markDead(lease, grant.version, death))) return BUSY
    logger.warn({ grantId }, 'a backend wants a login with further claims')
    return { outcome: 'gone', reason: death.error }
  } finally {
    await held.release()
  }
}

function wasInVain({ claims: asked, openedAt }: Grant, claims: string, now: number): boolean {
  if (asked === undefined) return false
  return asked === claims || now - openedAt < TOO_YOUNG_SECONDS
}
