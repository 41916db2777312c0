/** The lease of an upstream refresh, and what is written under it. */
import { expect, it } from 'vitest'
import { createId } from '../../../src/domain/secret.ts'
import { sampleTokens } from '../samples.ts'
import { until } from '../until.ts'
import { claim, openActive, SHORT_SECONDS, type Subject } from './subject.ts'

export function promiseLeases({ store, other, hasty, otherHasty, all }: Subject): void {
  it('leases a grant to exactly one of fifty, with the grant as it is', async () => {
    const grant = await openActive(store())
    const claims = await all((each, n) =>
      each.grants.claimUpstreamRefresh(grant.grantId, `owner-${n}`),
    )
    const won = claims.filter(claim => claim !== undefined)
    expect(won).toHaveLength(1)
    expect(won[0]?.grant).toEqual(grant)
    expect(won[0]?.lease.grantId).toBe(grant.grantId)
  })

  it('leases nothing of a grant that is not there, nor twice to the same owner', async () => {
    expect(await store().grants.claimUpstreamRefresh(createId(), 'a')).toBeUndefined()
    const grant = await openActive(store())
    expect(await store().grants.claimUpstreamRefresh(grant.grantId, 'a')).toBeDefined()
    expect(await store().grants.claimUpstreamRefresh(grant.grantId, 'a')).toBeUndefined()
  })

  it('lets the next in when the lease is released, by its owner only', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    await other().grants.releaseLease({ ...lease, owner: 'b' })
    expect(await other().grants.claimUpstreamRefresh(grant.grantId, 'b')).toBeUndefined()
    expect(await other().grants.renewLease({ ...lease, owner: 'b' })).toBe(false)
    await store().grants.releaseLease(lease)
    expect(await other().grants.claimUpstreamRefresh(grant.grantId, 'b')).toBeDefined()
  })

  it('lets another take over a lease that has run out; its late owner changes nothing', async () => {
    const grant = await openActive(hasty())
    const { lease } = await claim(hasty(), grant, 'slow')
    await until(
      'the end of the lease',
      async () =>
        (await otherHasty().grants.claimUpstreamRefresh(grant.grantId, 'next')) !== undefined,
    )
    const update = { tokens: sampleTokens(hasty().now()) }
    expect(await hasty().grants.renewLease(lease)).toBe(false)
    expect(await hasty().grants.replaceUpstreamTokens(lease, 0, update)).toBe(false)
    expect(await hasty().grants.markDead(lease, 0, { error: 'invalid_grant', at: 1 })).toBe(false)
    await hasty().grants.releaseLease(lease)
    expect(await hasty().grants.claimUpstreamRefresh(grant.grantId, 'third')).toBeUndefined()
    expect(await hasty().grants.find(grant.grantId)).toEqual(grant)
  })

  it('keeps a lease beyond its life while it is renewed', async () => {
    const grant = await openActive(hasty())
    const { lease } = await claim(hasty(), grant, 'a')
    const end = hasty().now() + 2 * SHORT_SECONDS
    await until('twice its life', async () => {
      expect(await hasty().grants.renewLease(lease)).toBe(true)
      return hasty().now() > end
    })
    expect(await otherHasty().grants.claimUpstreamRefresh(grant.grantId, 'b')).toBeUndefined()
  })
}

export function promiseUpstreamTokens({ store, other }: Subject): void {
  it('writes new tokens and identity under the lease, which stays held', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    const tokens = sampleTokens(store().now())
    const identity = { ...grant.identity, groups: ['sales', 'admins'] }
    expect(await store().grants.replaceUpstreamTokens(lease, 0, { tokens, identity })).toBe(true)
    const expected = { ...grant, upstreamTokens: tokens, identity, version: 1 }
    expect(await other().grants.find(grant.grantId)).toEqual(expected)
    expect(await other().grants.claimUpstreamRefresh(grant.grantId, 'b')).toBeUndefined()
    const more = { tokens: sampleTokens(store().now()) }
    expect(await store().grants.replaceUpstreamTokens(lease, 1, more)).toBe(true)
    expect((await other().grants.find(grant.grantId))?.identity).toEqual(identity)
  })

  it('refuses a writer that saw an older version, and one without the lease', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    const update = { tokens: sampleTokens(store().now()) }
    const late = { tokens: sampleTokens(store().now()) }
    expect(await store().grants.replaceUpstreamTokens(lease, 0, update)).toBe(true)
    expect(await store().grants.replaceUpstreamTokens(lease, 0, late)).toBe(false)
    expect(await store().grants.markDead(lease, 0, { error: 'invalid_grant', at: 1 })).toBe(false)
    const stranger = { ...lease, owner: 'b' }
    expect(await other().grants.replaceUpstreamTokens(stranger, 1, late)).toBe(false)
    const found = await other().grants.find(grant.grantId)
    expect(found).toEqual({ ...grant, upstreamTokens: update.tokens, version: 1 })
  })

  it('never brings back a grant that was revoked meanwhile', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    await other().grants.revoke(grant.grantId)
    const update = { tokens: sampleTokens(store().now()), expiresAt: store().now() + 60 }
    expect(await store().grants.replaceUpstreamTokens(lease, 0, update)).toBe(false)
    expect(await store().grants.markDead(lease, 0, { error: 'invalid_grant', at: 1 })).toBe(false)
    expect(await store().grants.renewLease(lease)).toBe(false)
    expect(await store().grants.find(grant.grantId)).toBeUndefined()
    const { issuer, subject } = grant.identity
    expect(await store().grants.listBySubject(issuer, subject)).toEqual([])
  })

  it('notes that the upstream gives no more tokens, until it does', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    const death = { error: 'interaction_required', at: 1_700_000_000, claims: '{"acr":"2"}' }
    expect(await store().grants.markDead(lease, 0, death)).toBe(true)
    expect(await other().grants.find(grant.grantId)).toEqual({ ...grant, dead: death })
    const update = { tokens: sampleTokens(store().now()) }
    expect(await store().grants.replaceUpstreamTokens(lease, 0, update)).toBe(true)
    const expected = { ...grant, upstreamTokens: update.tokens, version: 1 }
    expect(await other().grants.find(grant.grantId)).toEqual(expected)
  })

  it('moves the end of the grant where the upstream has moved its own', async () => {
    const grant = await openActive(store())
    const { lease } = await claim(store(), grant, 'a')
    const end = store().now() + 0.2
    const update = { tokens: sampleTokens(store().now()), expiresAt: end }
    expect(await store().grants.replaceUpstreamTokens(lease, 0, update)).toBe(true)
    await until('its end', async () => !(await store().grants.find(grant.grantId)))
    expect(store().now()).toBeGreaterThanOrEqual(end - 0.05)
  })
}
