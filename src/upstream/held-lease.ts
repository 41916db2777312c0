import type { GrantStore, Lease } from '../store/port.ts'

/** A lease that is renewed for as long as its work takes. */
export type HeldLease = {
  /** Aborted when the lease is lost, or by the limit that was given: who works under it must stop. */
  signal: AbortSignal
  release(): Promise<void>
}

const RENEW_EVERY_MS = 4000

/** Renews `lease` until it is released. A store that does not answer is no proof that the lease is lost; one that says so is. */
export function holdLease(grants: GrantStore, lease: Lease, limit: AbortSignal): HeldLease {
  const lost = new AbortController()
  const timer = setInterval(() => {
    grants.renewLease(lease).then(
      held => {
        if (!held) lost.abort(new Error('the lease was lost'))
      },
      () => undefined,
    )
  }, RENEW_EVERY_MS)
  return {
    signal: AbortSignal.any([limit, lost.signal]),
    release: async () => {
      clearInterval(timer)
      // Best effort: a lease that cannot be given back ends by itself.
      await grants.releaseLease(lease).catch(() => undefined)
    },
  }
}
