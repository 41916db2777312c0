/** What becomes of a grant when its refresh does not succeed. */
import { describe, expect, it } from 'vitest'
import type { FreshToken } from '../../src/upstream/fresh-token.ts'
import type { UpstreamTokenSource } from '../../src/upstream/tokens.ts'
import type { FaultKind } from '../support/fault-front.ts'
import { waitFor } from '../support/wait-for.ts'
import { createHouse, type House } from './house.ts'

const FLOW = 'flow-1'

async function becomesUsable(source: UpstreamTokenSource, grantId: string): Promise<void> {
  await waitFor(async () => (await source.resolve(grantId, FLOW)).outcome === 'usable', {
    what: 'a token',
    intervalMs: 50,
  })
}

const isRefused = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => false,
    error => error.cause?.code === 'ECONNREFUSED',
  )

async function failOnce(
  house: House,
  fault: FaultKind,
): Promise<{ source: UpstreamTokenSource; grantId: string; answer: FreshToken }> {
  const source = house.createSource()
  const { grantId } = await house.openGrant('stale')
  house.idp.setFault({ ...fault, endpoint: 'token' })
  return { source, grantId, answer: await source.resolve(grantId, FLOW) }
}

describe('dead: the upstream wants a new login', () => {
  it('is asked once for five hundred calls, on any replica', async () => {
    const house = await createHouse()
    const sources = [house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('stale')
    house.idp.revokeUser('alice')
    for (let round = 0; round < 5; round += 1) {
      const calls = Array.from({ length: 50 }, () =>
        sources.map(source => source.resolve(grantId, FLOW)),
      )
      for (const answer of await Promise.all(calls.flat())) {
        expect(answer).toEqual({ outcome: 'gone', reason: 'invalid_grant' })
      }
    }
    expect(house.refreshes()).toBe(1)
  })

  it.each(['invalid_grant', 'interaction_required', 'login_required', 'consent_required'])(
    'is what %s means, and the grant remembers why',
    async error => {
      const house = await createHouse()
      const fields = { claims: '{"access_token":{}}' }
      const { answer, grantId } = await failOnce(house, { kind: 'error', error, fields })
      expect(answer).toEqual({ outcome: 'gone', reason: error })
      const grant = await house.store.grants.find(grantId)
      expect(grant?.dead).toMatchObject({ error, claims: fields.claims })
      expect(house.refreshes()).toBe(1)
    },
  )

  it('is a grant without a refresh token, once its access token has ended', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { upstreamTokens } = await house.openGrant('stale')
    const { refreshToken: _none, ...tokens } = upstreamTokens
    const { grantId } = await house.openGrant('stale', { upstreamTokens: tokens })
    const answer = await source.resolve(grantId, FLOW)
    expect(answer).toEqual({ outcome: 'gone', reason: 'no_refresh_token' })
    expect(house.refreshes()).toBe(0)
  })

  it('is an answer about somebody else, and none of its tokens is kept', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const identity = { issuer: house.idp.issuer, subject: 'somebody-else' }
    const { grantId, upstreamTokens } = await house.openGrant('stale', { identity })
    const answer = await source.resolve(grantId, FLOW)
    expect(answer).toEqual({ outcome: 'gone', reason: 'subject_changed' })
    expect((await house.store.grants.find(grantId))?.upstreamTokens).toEqual(upstreamTokens)
  })

  it('is not what a late refusal says of a grant that another has renewed meanwhile', async () => {
    const house = await createHouse({ leaseSeconds: 0.2 })
    const [slow, quick] = [house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('stale')
    const refusal = { kind: 'error', error: 'invalid_grant', ms: 2500 } as const
    house.idp.setFault({ ...refusal, endpoint: 'token', times: 1 })
    const late = slow.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the slow refresh' })
    expect(await quick.resolve(grantId, FLOW)).toMatchObject({ outcome: 'usable' })
    expect(await late).toMatchObject({ outcome: 'usable' })
    expect((await house.store.grants.find(grantId))?.dead).toBeUndefined()
  })

  it('ends where the one that the upstream did answer comes late: what it got is stored', async () => {
    const house = await createHouse({ leaseSeconds: 0.2 })
    const [slow, quick] = [house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 2500, endpoint: 'token', times: 1 })
    const late = slow.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the slow refresh' })
    house.idp.setFault({ kind: 'error', error: 'invalid_grant', endpoint: 'token', times: 1 })
    // The IdP has rotated for the slow one, so it refuses the quick one, which holds the lease by now.
    expect(await quick.resolve(grantId, FLOW)).toMatchObject({ outcome: 'gone' })
    expect(await late).toMatchObject({ outcome: 'usable' })
    expect((await house.store.grants.find(grantId))?.dead).toBeUndefined()
    await waitFor(async () => (await quick.resolve(grantId, FLOW)).outcome === 'usable', {
      what: 'the other to learn of it',
    })
  })
})

describe('operator: the upstream refuses the gateway', () => {
  it.each([
    ['invalid_client', 401],
    ['unauthorized_client', 400],
    ['invalid_scope', 400],
    ['invalid_target', 400],
  ])(
    '%s keeps the grant, is logged as an error, and ends when it is mended',
    async (error, status) => {
      const house = await createHouse()
      const failed = await failOnce(house, { kind: 'error', error, status })
      expect(failed.answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_operator' })
      expect(house.refreshes()).toBe(1)
      expect(house.log.filter(({ level }) => level === 'error')).toMatchObject([
        { path: 'failed', failure: 'operator', error, status },
      ])
      house.idp.clearFaults()
      await becomesUsable(failed.source, failed.grantId)
    },
  )
})

describe('transient: the upstream is in trouble', () => {
  it.each<[string, FaultKind, number]>([
    ['500', { kind: 'status', status: 500 }, 3],
    ['503', { kind: 'status', status: 503 }, 3],
    ['408', { kind: 'status', status: 408 }, 3],
    ['429', { kind: 'status', status: 429 }, 3],
    ['temporarily_unavailable', { kind: 'error', error: 'temporarily_unavailable' }, 3],
    ['invalid_grant with a 503', { kind: 'error', error: 'invalid_grant', status: 503 }, 3],
    ['the page of a firewall', { kind: 'html', status: 403 }, 3],
    ['a page with 400', { kind: 'html', status: 400 }, 3],
  ])(
    '%s is tried three times, keeps the grant, and ends by itself',
    async (_name, fault, tries) => {
      const house = await createHouse()
      const failed = await failOnce(house, fault)
      expect(failed.answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_transient' })
      expect(house.refreshes()).toBe(tries)
      house.idp.clearFaults()
      await becomesUsable(failed.source, failed.grantId)
    },
  )

  it('is left alone for a moment after it failed, however many calls come', async () => {
    const house = await createHouse()
    const { source, grantId } = await failOnce(house, { kind: 'status', status: 503 })
    const asked = house.refreshes()
    const calls = Array.from({ length: 100 }, () => source.resolve(grantId, FLOW))
    for (const answer of await Promise.all(calls)) {
      expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_transient' })
    }
    expect(house.refreshes()).toBe(asked)
  })

  it('is left alone for as long as it asks to be, and callers are told how long that is', async () => {
    const house = await createHouse()
    const busy = { kind: 'status', status: 429, retryAfterSeconds: 7 } as const
    const { source, grantId, answer } = await failOnce(house, busy)
    expect(answer).toMatchObject({ outcome: 'unavailable', retryAfterSeconds: 7 })
    const laterSeconds = async () => {
      const later = await source.resolve(grantId, FLOW)
      return later.outcome === 'unavailable' ? later.retryAfterSeconds : 0
    }
    await waitFor(async () => (await laterSeconds()) === 5, { what: 'two seconds to have passed' })
    expect(house.refreshes()).toBe(1)
  })

  it('is not asked at all while its discovery fails, and no refresh token counts as spent', async () => {
    const house = await createHouse()
    house.idp.setFault({ kind: 'reset', endpoint: 'discovery' })
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const answer = await source.resolve(grantId, FLOW)
    expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_transient' })
    expect(house.refreshes()).toBe(0)
    house.idp.clearFaults()
    await becomesUsable(source, grantId)
  })

  it('refuses connections: nothing was sent, so it is tried again within the same refresh', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const warm = await house.openGrant('stale')
    await source.resolve(warm.grantId, FLOW)
    const { grantId } = await house.openGrant('stale')
    await house.idp.goDown()
    // The connections that the test itself has kept are noticed to be gone.
    await waitFor(() => isRefused(house.idp.issuer), { what: 'the IdP to refuse connections' })
    const answer = source.resolve(grantId, FLOW)
    await house.idp.comeBack()
    expect(await answer).toMatchObject({ outcome: 'usable' })
  })
})

describe('ambiguous: the answer is lost', () => {
  const lost = { kind: 'drop-after-rotate', endpoint: 'token', times: 1 } as const

  it('is not repeated by itself where the upstream does not forgive it', async () => {
    const house = await createHouse({ idp: { rotation: false } })
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault(lost)
    const answer = await source.resolve(grantId, FLOW)
    expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_ambiguous' })
    expect(house.refreshes()).toBe(1)
  })

  it('is repeated at once where the preset says that the upstream forgives it', async () => {
    const house = await createHouse({ idp: { rotation: false } })
    const source = house.createSource({ upstreamOptions: { repeatsRefresh: true } })
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault(lost)
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('usable')
    expect(house.idp.counts.refresh.results).toEqual({ dropped: 1, ok: 1 })
  })

  it('costs one login, not more, where the upstream has rotated', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault(lost)
    await source.resolve(grantId, FLOW)
    await waitFor(async () => (await source.resolve(grantId, FLOW)).outcome === 'gone', {
      what: 'the next attempt',
      intervalMs: 50,
    })
    expect(house.idp.counts.refresh.results).toEqual({ dropped: 1, invalid_grant: 1 })
  })
})

describe('a deadline', () => {
  it('cancels the request, and the late answer is not stored', async () => {
    const house = await createHouse()
    const source = house.createSource({ refreshTimeoutMs: 200 })
    const { grantId, upstreamTokens } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 600, endpoint: 'token', times: 1 })
    const startedAt = performance.now()
    const answer = await source.resolve(grantId, FLOW)
    expect(performance.now() - startedAt).toBeLessThan(500)
    expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_ambiguous' })
    await waitFor(() => performance.now() - startedAt > 900, { what: 'the late answer' })
    expect(house.idp.counts.refresh.results).toEqual({ ok: 1 })
    expect((await house.store.grants.find(grantId))?.upstreamTokens).toEqual(upstreamTokens)
  })

  it('of one refresh does not hold up the next: the lease is given back', async () => {
    const house = await createHouse()
    const source = house.createSource({ refreshTimeoutMs: 200 })
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'hang', endpoint: 'token', times: 1 })
    await source.resolve(grantId, FLOW)
    expect((await house.createSource().resolve(grantId, FLOW)).outcome).toBe('usable')
  })
})
