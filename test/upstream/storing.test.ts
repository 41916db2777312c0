/** What is stored of a refresh, and by whom. */
import { describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import { waitFor } from '../support/wait-for.ts'
import { createHouse, type LogLine } from './house.ts'

const FLOW = 'flow-1'

describe('what the upstream leaves out', () => {
  it('stays as it was: refresh token, identity and scope', async () => {
    const house = await createHouse({ idp: { rotation: false } })
    const source = house.createSource()
    const before = await house.openGrant('stale', {
      identity: { issuer: house.idp.issuer, subject: 'alice', groups: ['kept'] },
    })
    const fields = { refresh_token: undefined, id_token: undefined, scope: undefined }
    house.idp.setFault({ kind: 'rewrite', fields, endpoint: 'token' })
    expect((await source.resolve(before.grantId, FLOW)).outcome).toBe('usable')
    const after = await house.store.grants.find(before.grantId)
    expect(after?.upstreamTokens.refreshToken).toBe(before.upstreamTokens.refreshToken)
    expect(after?.identity).toEqual(before.identity)
    expect(after?.version).toBe(1)
  })

  it('is only its ID token where that is broken: the rotated refresh token is kept', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('stale')
    const fields = { id_token: 'not.a.jwt' }
    house.idp.setFault({ kind: 'rewrite', fields, endpoint: 'token' })
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('usable')
    const after = await house.store.grants.find(grantId)
    expect(after?.upstreamTokens.refreshToken).not.toBe(upstreamTokens.refreshToken)
  })
})

describe('what the upstream renews', () => {
  it('is kept: the claims of the new ID token', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    await source.resolve(grantId, FLOW)
    const { identity } = (await house.store.grants.find(grantId)) ?? {}
    expect(identity).toMatchObject({ subject: 'alice', email: 'alice@example.com' })
  })

  it('moves the end of the grant, where the upstream says how long its refresh token lives', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const fields = { refresh_expires_in: 100 }
    house.idp.setFault({ kind: 'rewrite', fields, endpoint: 'token' })
    await source.resolve(grantId, FLOW)
    house.clock.advance(90)
    expect(await house.store.grants.find(grantId)).toBeDefined()
    house.clock.advance(20)
    expect(await house.store.grants.find(grantId)).toBeUndefined()
  })

  it('moves it onwards too: a grant in use does not end with the first refresh token', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const fields = { refresh_expires_in: 100, expires_in: 50 }
    house.idp.setFault({ kind: 'rewrite', fields, endpoint: 'token' })
    for (let hour = 0; hour < 4; hour += 1) {
      await source.resolve(grantId, FLOW)
      house.clock.advance(60)
    }
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('usable')
    expect(house.idp.counts.refresh.results).toEqual({ ok: 5 })
  })
})

describe('who comes late', () => {
  it('does not overwrite what another wrote after its lease had run out', async () => {
    const house = await createHouse({ idp: { rotation: false }, leaseSeconds: 0.2 })
    const [slow, quick] = [house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 2500, endpoint: 'token', times: 1 })
    const late = slow.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the slow refresh' })
    const early = await quick.resolve(grantId, FLOW)
    expect(early.outcome).toBe('usable')
    const stored = await house.store.grants.find(grantId)
    const answer = await late
    // It answers with what is stored, too.
    expect(answer).toMatchObject({ outcome: 'usable', path: 'waited' })
    expect(await house.store.grants.find(grantId)).toEqual(stored)
    expect(house.idp.counts.refresh.results).toEqual({ ok: 2 })
  })

  it('does store what it has where its lease ran out and nobody else wrote', async () => {
    const house = await createHouse({ leaseSeconds: 0.2 })
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 500, endpoint: 'token', times: 1 })
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('usable')
    expect((await house.store.grants.find(grantId))?.version).toBe(1)
  })

  it('knows its own write again whose answer the store has lost', async () => {
    const house = await createHouse()
    const { grants } = house.store
    let isLost = false
    const source = house.createSource({
      grants: {
        ...grants,
        replaceUpstreamTokens: async (...update) => {
          const isWritten = await grants.replaceUpstreamTokens(...update)
          if (isLost) return isWritten
          isLost = true
          throw new OutageError('store', 'the answer is lost')
        },
      },
    })
    const { grantId } = await house.openGrant('stale')
    expect(await source.resolve(grantId, FLOW)).toMatchObject({
      outcome: 'usable',
      path: 'refreshed',
    })
    expect((await grants.find(grantId))?.version).toBe(1)
    expect(house.log.some(({ path }) => path === 'lost')).toBe(false)
  })

  it('waits to store it while another holds the lease, and stores it then', async () => {
    const house = await createHouse({ leaseSeconds: 1 })
    const { grants } = house.store
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 1800, endpoint: 'token', times: 1 })
    const answer = source.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the slow refresh' })
    const another = await waitFor(() => grants.claimUpstreamRefresh(grantId, 'another'), {
      what: 'another to get the lease',
    })
    const isWaiting = ({ msg }: LogLine) =>
      String(msg).startsWith('another replica holds the lease')
    await waitFor(
      async () => {
        expect(await grants.renewLease(another!.lease)).toBe(true)
        return house.log.some(isWaiting)
      },
      { what: 'the first to wait' },
    )
    await grants.releaseLease(another!.lease)
    expect(await answer).toMatchObject({ outcome: 'usable', path: 'refreshed' })
    expect((await grants.find(grantId))?.version).toBe(1)
  })

  it('does not bring back a grant that was revoked, and revokes what it was given for it', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 300, endpoint: 'token', times: 1 })
    const answer = source.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the refresh' })
    await house.store.grants.revoke(grantId)
    expect(await answer).toEqual({ outcome: 'gone', reason: 'revoked_or_expired' })
    expect(await house.store.grants.find(grantId)).toBeUndefined()
    expect(house.idp.counts.revocation).toBe(1)
  })
})
