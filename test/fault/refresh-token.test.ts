/** Refresh tokens of the client, and revocation, on several replicas at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { call, refresh, revoke, signIn, tally, tokensOf, upstreamExpiry } from './client.ts'
import { allLines, countRefreshes, type FaultHouse, reach, startHouse } from './house.ts'

const TTL_SECONDS = 20
const GRACE_SECONDS = 4

let house: FaultHouse

beforeAll(async () => {
  house = await startHouse({
    idp: { accessTokenTtlSeconds: TTL_SECONDS },
    config: { lifetimes: { refreshGrace: `${GRACE_SECONDS}s` } },
  })
})
afterAll(() => house.close())

describe('a refresh whose answer was lost', () => {
  it('is repeated on other replicas, ten at once, with the same successor, and all is live', async () => {
    const session = await signIn(house)
    const lost = tokensOf(await refresh(session, house.replicas[0]!))
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => refresh(session, house.replicas[n % 3]!)),
    )
    expect(tally(answers)).toEqual({ 200: 10 })
    const tokens = [lost, ...answers.map(tokensOf)]
    expect(new Set(tokens.map(({ refreshToken }) => refreshToken)).size).toBe(1)
    const calls = await Promise.all(
      [session, ...tokens].map((one, n) => call(one, house.replicas[n % 3]!)),
    )
    expect(tally(calls)).toEqual({ 200: 12 })
    const next = await refresh({ ...session, ...lost }, house.replicas[1]!)
    expect(next.status).toBe(200)
  })

  it('is a replay after the grace, which ends the grant everywhere and is audited', async () => {
    const session = await signIn(house)
    const successor = tokensOf(await refresh(session, house.replicas[0]!))
    const calls = () => Promise.all(house.replicas.map(replica => call(successor, replica)))
    expect(tally(await calls())).toEqual({ 200: 3 })
    await reach(Date.now() / 1000 + GRACE_SECONDS + 0.2)
    const replay = await refresh(session, house.replicas[1]!)
    expect([replay.status, replay.body.error]).toEqual([400, 'invalid_grant'])
    await waitFor(async () => (await calls()).every(({ status }) => status === 401), {
      what: 'all replicas to refuse the grant',
      timeoutMs: 1000,
    })
    const own = await refresh({ ...session, ...successor }, house.replicas[2]!)
    expect(own.body.error).toBe('invalid_grant')
    const audits = () =>
      allLines(house).filter(
        ({ event, reason }) => event === 'revocation' && reason === 'refresh token replayed',
      )
    await expect.poll(audits).toMatchObject([{ outcome: 'granted', subject: 'alice' }])
  })

  it('is a replay at once where its successor has been used', async () => {
    const session = await signIn(house)
    const successor = tokensOf(await refresh(session, house.replicas[0]!))
    await refresh({ ...session, ...successor }, house.replicas[1]!)
    expect((await refresh(session, house.replicas[2]!)).status).toBe(400)
    expect((await call(successor, house.replicas[0]!)).status).toBe(401)
  })

  it('is neither where two processes of a user race: one of fifty at once rotates, all get on', async () => {
    const session = await signIn(house)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => refresh(session, house.replicas[n % 3]!)),
    )
    expect(new Set(answers.map(answer => tokensOf(answer).refreshToken)).size).toBe(1)
  })
})

describe('a client that refreshes', () => {
  it('does not make the IdP refresh while the upstream token is good', async () => {
    let session = await signIn(house)
    const refreshes = countRefreshes(house)
    for (let n = 0; n < 6; n += 1) {
      session = { ...session, ...tokensOf(await refresh(session, house.replicas[n % 3]!)) }
    }
    expect(refreshes().requests).toBe(0)
  })
})

describe('a revocation', () => {
  it('reaches the caches of all replicas within a second', async () => {
    const session = await signIn(house)
    const calls = () => Promise.all(house.replicas.map(replica => call(session, replica)))
    expect(tally(await calls())).toEqual({ 200: 3 })
    expect(await revoke(session, house.replicas[0]!)).toBe(200)
    const revokedAt = performance.now()
    await waitFor(async () => (await calls()).every(({ status }) => status === 401), {
      what: 'all replicas to refuse the grant',
      timeoutMs: 1000,
    })
    expect(performance.now() - revokedAt).toBeLessThan(1000)
  })

  it('on one replica while another refreshes stays: the late tokens are revoked too', async () => {
    const brief = await startHouse({ replicas: 2, idp: { accessTokenTtlSeconds: 4 } })
    try {
      const { idp, replicas } = brief
      const session = await signIn(brief)
      await upstreamExpiry(session, 4)
      const refreshes = countRefreshes(brief)
      idp.setFault({ kind: 'slow', ms: 1000, endpoint: 'token', times: 1 })
      const waiting = call(session, replicas[1]!)
      await waitFor(() => refreshes().results.ok === 1, { what: 'the IdP to have rotated' })
      expect(await revoke(session, replicas[0]!)).toBe(200)
      expect((await waiting).status).toBe(401)
      await waitFor(() => idp.counts.revocation === 2, { what: 'both tokens to be revoked' })
      const answers = await Promise.all(replicas.map(replica => call(session, replica)))
      expect(tally(answers)).toEqual({ 401: 2 })
      expect((await refresh(session, replicas[1]!)).body.error).toBe('invalid_grant')
      const keys = (await brief.redis!.keys()).map(({ key }) => key)
      expect(keys.filter(key => key.includes(':grant') || key.includes(':lease'))).toEqual([])
    } finally {
      await brief.close()
    }
  })
})
