import type { Grant } from '../../../src/domain/grant.ts'
import { createId } from '../../../src/domain/secret.ts'
import type { Invalidation, Rotation, Store } from '../../../src/store/port.ts'
import { sampleGrant } from '../samples.ts'
import { until } from '../until.ts'

/** Long enough that a slow machine does not end what a test still needs. */
export const SHORT_SECONDS = 0.6
/** How many race. */
export const CROWD = 50

export type Subject = {
  store(): Store
  other(): Store
  /** With short lifetimes. */
  hasty(): Store
  otherHasty(): Store
  /** Fifty at once, across both replicas. */
  all<T>(act: (store: Store, n: number) => Promise<T>): Promise<T[]>
}

/** A grant that is open for a minute and whose first refresh token is generation 0. */
export async function openActive(store: Store): Promise<Grant> {
  const grant = sampleGrant(store.now())
  const end = store.now() + 60
  await store.grants.open(grant, end)
  await store.grants.activate(grant.grantId, { generation: 0, kid: 'k1' }, end)
  return grant
}

export function rotate(
  store: Store,
  { grantId }: Grant,
  generation: number,
  successorKid = 'next',
): Promise<Rotation> {
  const presented = { generation, kid: 'k1' }
  return store.grants.rotateRefreshToken(grantId, presented, successorKid, store.now() + 60)
}

export async function claim(store: Store, { grantId }: Grant, owner: string) {
  const claimed = await store.grants.claimUpstreamRefresh(grantId, owner)
  if (!claimed) throw new Error('no lease')
  return claimed
}

/** Listens, and resolves once messages do arrive. */
export async function listen(
  store: Store,
  listener: (said: Invalidation) => void,
): Promise<() => void> {
  const probe = `/probe-${createId()}`
  let isHeard = false
  const stop = store.invalidations.subscribe(said => {
    if (said.kind === 'lists' && said.backend === probe) isHeard = true
    listener(said)
  })
  await until('the subscription', async () => {
    await store.invalidations.publish({ kind: 'lists', backend: probe, list: 'tools' })
    return isHeard
  })
  return stop
}

export function idsOf(grants: readonly { grantId: string }[]): string[] {
  return grants.map(({ grantId }) => grantId).sort()
}
