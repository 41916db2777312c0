import { setTimeout as delay } from 'node:timers/promises'
import type { Grant, UpstreamTokens } from '../domain/grant.ts'
import { OutageError } from '../domain/outage.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore, Lease, UpstreamUpdate } from '../store/port.ts'
import { claimLease } from './held-lease.ts'

const BACKOFF_MS = 250

/** `blocked`: our lease has run out and another holds it, but nobody has written. */
type Attempt = 'written' | 'overtaken' | 'blocked'

/**
 * Writes what the upstream gave, before anything else is done with it: it may have rotated, and then this process holds the only copy. So neither a store in trouble
 * nor another holder of the lease ends it before `deadline`; only what was written meanwhile does, and a revocation.
 *
 * @param deadline on the clock of `performance.now()`
 * @returns whether it was written; `false` means that another writer or a revocation came first
 * @throws OutageError where the store has not answered by the deadline
 */
export async function persistUpdate(
  grants: GrantStore,
  lease: Lease,
  claimed: Grant,
  update: UpstreamUpdate,
  deadline: number,
  logger: Logger,
): Promise<boolean> {
  for (;;) {
    const isLast = performance.now() > deadline
    try {
      const attempt = await write(grants, lease, claimed, update)
      if (attempt !== 'blocked' || isLast) return attempt === 'written'
      logger.warn(
        'another replica holds the lease while refreshed upstream tokens wait; trying again',
      )
    } catch (failure) {
      if (!(failure instanceof OutageError) || isLast) throw failure
      logger.warn(
        { err: failure },
        'the store does not take refreshed upstream tokens; trying again',
      )
    }
    await delay(BACKOFF_MS)
  }
}

async function write(
  grants: GrantStore,
  lease: Lease,
  { grantId, version }: Grant,
  update: UpstreamUpdate,
): Promise<Attempt> {
  if (await grants.replaceUpstreamTokens(lease, version, update)) return 'written'
  // By the same owner: whoever releases the first lease releases this one.
  const again = await claimLease(grants, grantId, lease.owner)
  if (again && (await grants.replaceUpstreamTokens(again.lease, version, update))) return 'written'
  const current = again?.grant ?? (await grants.find(grantId))
  // An earlier try, whose answer was lost.
  if (current && isSame(current.upstreamTokens, update.tokens)) return 'written'
  return current?.version === version ? 'blocked' : 'overtaken'
}

function isSame(one: UpstreamTokens, other: UpstreamTokens): boolean {
  const isSameDerived = one.derived?.accessToken === other.derived?.accessToken
  return one.accessToken === other.accessToken && isSameDerived
}
