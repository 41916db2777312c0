import { setTimeout as delay } from 'node:timers/promises'
import type { Grant } from '../domain/grant.ts'
import type { GrantStore, Lease } from '../store/port.ts'

/** A lease that is renewed for as long as its work takes. */
export type HeldLease = {
  /** Aborted when the lease is lost, or by the limit that was given: who works under it must stop. */
  signal: AbortSignal
  release(): Promise<void>
}

type Claimed = { lease: Lease; grant: Grant }

const RENEW_EVERY_MS = 4000
const GIVE_BACK_TRIES = 5
const GIVE_BACK_PAUSE_MS = 1000

/**
 * Claims the refresh of a grant. Where the store does not say whether it gave the lease, the lease is given back: nobody else should wait for its end.
 *
 * @throws OutageError
 */
export async function claimLease(
  grants: GrantStore,
  grantId: string,
  owner: string,
): Promise<Claimed | undefined> {
  try {
    return await grants.claimUpstreamRefresh(grantId, owner)
  } catch (failure) {
    void giveBack(grants, { grantId, owner })
    throw failure
  }
}

/** Renews the lease until it is released. A store that does not answer is no proof that the lease is lost; one that says so is. */
export function holdLease(grants: GrantStore, claimed: Claimed, limit: AbortSignal): HeldLease {
  const { lease, grant } = claimed
  const lost = new AbortController()
  let isReleased = false

  const keep = async (): Promise<void> => {
    if ((await grants.renewLease(lease)) || isReleased) return
    // A failover may have lost it; then nobody holds it, and the work that it guards may be at the upstream already.
    const again = await grants.claimUpstreamRefresh(lease.grantId, lease.owner)
    if (again && isReleased) return giveBack(grants, lease)
    if (again?.grant.version !== grant.version) lost.abort(new Error('the lease was lost'))
  }
  const timer = setInterval(() => void keep().catch(() => undefined), RENEW_EVERY_MS)

  return {
    signal: AbortSignal.any([limit, lost.signal]),
    release: async () => {
      isReleased = true
      clearInterval(timer)
      await giveBack(grants, lease)
    },
  }
}

/** Best effort: resolves after the first try, and goes on for a few seconds where the store is away. What cannot be given back ends by itself. */
async function giveBack(grants: GrantStore, lease: Lease): Promise<void> {
  const tryOnce = () =>
    grants.releaseLease(lease).then(
      () => true,
      () => false,
    )
  if (!(await tryOnce())) void tryAgain(tryOnce)
}

async function tryAgain(tryOnce: () => Promise<boolean>): Promise<void> {
  for (let tried = 1; tried < GIVE_BACK_TRIES; tried += 1) {
    await delay(GIVE_BACK_PAUSE_MS, undefined, { ref: false })
    if (await tryOnce()) return
  }
}
