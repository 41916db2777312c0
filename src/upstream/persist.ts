import { setTimeout as delay } from 'node:timers/promises'
import type { Grant } from '../domain/grant.ts'
import { OutageError } from '../domain/outage.ts'
import { createId } from '../domain/secret.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore, Lease, UpstreamUpdate } from '../store/port.ts'

const BACKOFF_MS = 250

/**
 * Writes what the upstream gave, before anything else is done with it: it may have rotated, and then this process holds the only copy. A store in trouble is tried
 * again until `deadline`; a lease that ended meanwhile is claimed again, which helps only while nobody else has written.
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
  log: Logger,
): Promise<boolean> {
  for (;;) {
    try {
      if (await grants.replaceUpstreamTokens(lease, claimed.version, update)) return true
      return await persistUnderNewLease(grants, claimed, update)
    } catch (failure) {
      if (!(failure instanceof OutageError) || performance.now() > deadline) throw failure
      log.warn({ err: failure }, 'the store does not take refreshed upstream tokens; trying again')
      await delay(BACKOFF_MS)
    }
  }
}

async function persistUnderNewLease(
  grants: GrantStore,
  claimed: Grant,
  update: UpstreamUpdate,
): Promise<boolean> {
  const again = await grants.claimUpstreamRefresh(claimed.grantId, createId())
  if (!again) return false
  try {
    return await grants.replaceUpstreamTokens(again.lease, claimed.version, update)
  } finally {
    await grants.releaseLease(again.lease)
  }
}
