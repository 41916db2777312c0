/** The life of a grant, and the lists that it is in. */
import { expect, it } from 'vitest'
import { createId } from '../../../src/domain/secret.ts'
import { sampleGrant } from '../samples.ts'
import { until } from '../until.ts'
import { idsOf, openActive, rotate, SHORT_SECONDS, type Subject } from './subject.ts'

const NOTHING = { ended: [], failures: [] }

export function promiseLife({ store, other }: Subject): void {
  it('finds on one replica the grant that was opened on another, as it was', async () => {
    const grant = sampleGrant(store().now(), {
      version: 3,
      dead: { error: 'invalid_grant', at: 1_700_000_000, claims: '{"x":1}' },
    })
    await store().grants.open(grant, store().now() + 60)
    expect(await other().grants.find(grant.grantId)).toEqual(grant)
    expect(await other().grants.find(createId())).toBeUndefined()
  })

  it('ends a grant at its time unless it was activated for longer', async () => {
    const [left, activated] = [sampleGrant(store().now()), sampleGrant(store().now())]
    const end = store().now() + SHORT_SECONDS
    await store().grants.open(left, end)
    await store().grants.open(activated, end)
    const first = { generation: 0, kid: 'k1' }
    expect(await other().grants.activate(activated.grantId, first, end + 60)).toBe(true)
    expect(await store().grants.find(left.grantId)).toBeDefined()
    await until('its end', async () => (await store().grants.find(left.grantId)) === undefined)
    expect(store().now()).toBeGreaterThanOrEqual(end - 0.05)
    expect(await store().grants.activate(left.grantId, first, end + 60)).toBe(false)
    expect(await store().grants.find(activated.grantId)).toEqual(activated)
  })

  it('lets no grant live beyond its absolute end, whatever is asked for', async () => {
    const lifeLeft = 0.3
    const openedAt = store().now() - 90 * 24 * 3600 + lifeLeft
    const grant = sampleGrant(openedAt)
    await store().grants.open(grant, store().now() + 3600)
    expect(await store().grants.find(grant.grantId)).toBeDefined()
    await until('its end', async () => !(await store().grants.find(grant.grantId)))
  })

  it('answers what it revokes, once, and knows it no more', async () => {
    const grant = await openActive(store())
    expect(await other().grants.revoke(grant.grantId)).toEqual(grant)
    expect(await store().grants.revoke(grant.grantId)).toBeUndefined()
    expect(await store().grants.find(grant.grantId)).toBeUndefined()
    expect(await rotate(store(), grant, 0)).toEqual({ outcome: 'unknown' })
    expect(await store().grants.claimUpstreamRefresh(grant.grantId, 'a')).toBeUndefined()
    const first = { generation: 0, kid: 'k1' }
    expect(await store().grants.activate(grant.grantId, first, store().now() + 60)).toBe(false)
  })

  it('keeps a copy: what the caller changes is not changed in the store', async () => {
    const grant = await openActive(store())
    const expected = structuredClone(grant)
    const found = await store().grants.find(grant.grantId)
    grant.upstreamTokens.accessToken = 'changed'
    if (found) found.identity.subject = 'changed'
    expect(await store().grants.find(grant.grantId)).toEqual(expected)
  })
}

export function promiseLists({ store, other, all }: Subject): void {
  it('lists the grants of a subject of an issuer, and of a client', async () => {
    const now = store().now()
    const [mine, also] = [sampleGrant(now), sampleGrant(now)]
    also.identity = { ...mine.identity }
    const sameSubject = sampleGrant(now, {
      clientId: mine.clientId,
      identity: { ...mine.identity, issuer: 'https://other.example.com' },
    })
    for (const grant of [mine, also, sameSubject]) await store().grants.open(grant, now + 60)
    const { issuer, subject } = mine.identity
    expect(idsOf(await other().grants.listBySubject(issuer, subject))).toEqual(idsOf([mine, also]))
    expect(idsOf(await other().grants.listByClient(mine.clientId))).toEqual(
      idsOf([mine, sameSubject]),
    )
    expect(await store().grants.listBySubject(issuer, `${subject}x`)).toEqual([])
  })

  it('lists a grant no more once it has ended or was revoked', async () => {
    const now = store().now()
    const [brief, revoked, kept] = [sampleGrant(now), sampleGrant(now), sampleGrant(now)]
    for (const grant of [revoked, kept]) grant.identity = brief.identity
    await store().grants.open(brief, now + 0.2)
    await store().grants.open(revoked, now + 60)
    await store().grants.open(kept, now + 60)
    await store().grants.revoke(revoked.grantId)
    await until('the end of the first', () => store().now() > now + 0.25)
    const { issuer, subject } = brief.identity
    expect(idsOf(await store().grants.listBySubject(issuer, subject))).toEqual(idsOf([kept]))
  })

  it('still lists a grant whose life was prolonged by its use', async () => {
    const grant = sampleGrant(store().now())
    const first = { generation: 0, kid: 'k1' }
    await store().grants.open(grant, store().now() + 0.3)
    await store().grants.activate(grant.grantId, first, store().now() + 0.5)
    const rotated = await store().grants.rotateRefreshToken(
      ...([grant.grantId, first, 'k1', store().now() + 60] as const),
    )
    expect(rotated.outcome).toBe('rotated')
    const later = store().now() + 0.6
    await until('its first end', () => store().now() > later)
    const { issuer, subject } = grant.identity
    expect(idsOf(await store().grants.listBySubject(issuer, subject))).toEqual(idsOf([grant]))
    expect(idsOf(await store().grants.listByClient(grant.clientId))).toEqual(idsOf([grant]))
  })

  it('revokes all grants of a subject, or of a client, and answers them', async () => {
    const now = store().now()
    const grants = [sampleGrant(now), sampleGrant(now), sampleGrant(now)]
    for (const grant of grants) grant.identity = grants[0]!.identity
    for (const grant of grants) await store().grants.open(grant, now + 60)
    const { issuer, subject } = grants[0]!.identity
    expect(await store().grants.revokeClient(grants[2]!.clientId)).toEqual({
      ended: [grants[2]],
      failures: [],
    })
    const { ended, failures } = await other().grants.revokeSubject(issuer, subject)
    expect(idsOf(ended)).toEqual(idsOf(grants.slice(0, 2)))
    expect(failures).toEqual([])
    for (const { grantId } of grants) expect(await store().grants.find(grantId)).toBeUndefined()
    expect(await store().grants.revokeSubject(issuer, subject)).toEqual(NOTHING)
  })

  it('revokes each of those that it is told, and answers those that there were', async () => {
    const grants = [await openActive(store()), await openActive(store())]
    const grantIds = grants.map(({ grantId }) => grantId)
    const { ended, failures } = await other().grants.revokeEach([createId(), ...grantIds])
    expect(idsOf(ended)).toEqual(idsOf(grants))
    expect(failures).toEqual([])
    for (const grantId of grantIds) expect(await store().grants.find(grantId)).toBeUndefined()
    expect(await store().grants.revokeEach(grantIds)).toEqual(NOTHING)
    expect(await store().grants.revokeEach([])).toEqual(NOTHING)
  })

  it('lists all of fifty that are opened at once', async () => {
    const { identity } = sampleGrant(0)
    const opened = await all(async each => {
      const grant = sampleGrant(each.now(), { identity })
      await each.grants.open(grant, each.now() + 60)
      return grant
    })
    const { issuer, subject } = identity
    expect(idsOf(await store().grants.listBySubject(issuer, subject))).toEqual(idsOf(opened))
  })

  it('shows every grant to whoever walks them all, and none that was revoked', async () => {
    const opened = await all(each => openActive(each))
    const revoked = await openActive(store())
    await store().grants.revoke(revoked.grantId)
    const shown = new Set<string>()
    await other().grants.visitAll(async grantIds => {
      for (const grantId of grantIds) shown.add(grantId)
    })
    expect(opened.filter(({ grantId }) => !shown.has(grantId))).toEqual([])
    expect(shown.has(revoked.grantId)).toBe(false)
  })

  it('ends a walk with the failure of the visit', async () => {
    await openActive(store())
    const failure = new Error('enough')
    await expect(store().grants.visitAll(() => Promise.reject(failure))).rejects.toBe(failure)
  })
}
