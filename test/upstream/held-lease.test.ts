/** A lease that is given up while its renewal is on its way to a slow store. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { GrantStore } from '../../src/store/port.ts'
import { claimLease, holdLease } from '../../src/upstream/held-lease.ts'
import { sampleGrant } from '../store/samples.ts'

const UNTIL_RENEWED_MS = 4000

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

/** A store that renewals and claims reach only when they are let through, one after the other. */
function slowDown(grants: GrantStore) {
  const onTheirWay: { operation: string; arrive: () => void }[] = []
  const later = async <T>(operation: string, act: () => Promise<T>): Promise<T> => {
    await new Promise<void>(resolve => onTheirWay.push({ operation, arrive: resolve }))
    return act()
  }
  const slow: GrantStore = {
    ...grants,
    renewLease: lease => later('renew', () => grants.renewLease(lease)),
    claimUpstreamRefresh: (grantId, owner) =>
      later('claim', () => grants.claimUpstreamRefresh(grantId, owner)),
  }
  const isOnItsWay = (operation: string) =>
    vi.waitFor(() => expect(onTheirWay.map(each => each.operation)).toEqual([operation]))
  /** Resolves when the store has acted, and whoever asked has done what follows from its answer. */
  const letThrough = async () => {
    onTheirWay.shift()?.arrive()
    await new Promise(setImmediate)
  }
  return { slow, isOnItsWay, letThrough, onTheirWay }
}

/** Holds a lease that a failover has just lost, and whose renewal is on its way. */
async function beginRenewal() {
  const store = createMemoryStore()
  const grant = sampleGrant(store.now())
  await store.grants.open(grant, store.now() + 60)
  const claimed = await claimLease(store.grants, grant.grantId, 'replica-1')
  const { slow, ...line } = slowDown(store.grants)
  const held = holdLease(slow, claimed!, new AbortController().signal)
  await store.grants.releaseLease(claimed!.lease)
  vi.advanceTimersByTime(UNTIL_RENEWED_MS)
  await line.isOnItsWay('renew')
  return {
    ...line,
    held,
    claimAs: (owner: string) => store.grants.claimUpstreamRefresh(grant.grantId, owner),
  }
}

describe('a lease that was lost', () => {
  it('is given back where it was claimed anew after its release', async () => {
    const { held, claimAs, isOnItsWay, letThrough } = await beginRenewal()
    await letThrough()
    await isOnItsWay('claim')
    await held.release()
    await letThrough()
    expect(await claimAs('replica-2')).toBeDefined()
  })

  it('is not claimed anew where its renewal is answered after its release', async () => {
    const { held, onTheirWay, letThrough, claimAs } = await beginRenewal()
    await held.release()
    await letThrough()
    expect(onTheirWay).toEqual([])
    expect(await claimAs('replica-2')).toBeDefined()
  })
})
