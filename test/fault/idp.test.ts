/** An identity provider in trouble loses no grant. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { FaultKind } from '../support/fault-front.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  type CallAnswer,
  call,
  callUntilGood,
  refresh,
  register,
  type Session,
  signIn,
  tally,
  tokensOf,
  upstreamExpiry,
} from './client.ts'
import { allLines, countRefreshes, type FaultHouse, startHouse } from './house.ts'

const TTL_SECONDS = 4

const TROUBLES: Record<string, FaultKind> = {
  hangs: { kind: 'hang' },
  'answers 429': { kind: 'status', status: 429, retryAfterSeconds: 3 },
  'answers 500': { kind: 'status', status: 500 },
  'answers with an HTML page': { kind: 'html', status: 200 },
  'resets the connection': { kind: 'reset' },
}

let house: FaultHouse
/** Signed in together, so that they expire together; each test takes one of its own. */
let sessions: Session[]
const takeSession = (): Session => sessions.pop()!

beforeAll(async () => {
  house = await startHouse({
    replicas: 2,
    idp: { accessTokenTtlSeconds: TTL_SECONDS },
    upstream: { timeout: '1s' },
  })
  const clientId = await register(house)
  sessions = await Promise.all(Array.from({ length: 9 }, () => signIn(house, clientId)))
})
afterEach(() => house.idp.clearFaults())
afterAll(() => house.close())

const callEverywhere = (session: Session, count: number): Promise<CallAnswer[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => call(session, house.replicas[n % 2]!)))

describe('an IdP that', () => {
  it('does anything but answer is not noticed while the upstream token is good', async () => {
    house.idp.setFault({ kind: 'hang', endpoint: 'all' })
    const answers = await Promise.all(sessions.map(session => callEverywhere(session, 4)))
    expect(tally(answers.flat())).toEqual({ 200: 4 * sessions.length })
    await upstreamExpiry(sessions.at(-1)!, TTL_SECONDS)
  })

  it.each(Object.entries(TROUBLES))(
    '%s loses no grant: 503 until it recovers, while the client still gets tokens',
    async (_name, fault) => {
      const session = takeSession()
      house.idp.setFault({ ...fault, endpoint: 'token' })
      const answers = await callEverywhere(session, 10)
      expect(tally(answers)).toEqual({ 503: 10 })
      for (const { retryAfter, challenge } of answers) {
        expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
        expect(challenge).toBeNull()
      }
      const renewed = tokensOf(await refresh(session, house.replicas[0]!))
      house.idp.clearFaults()
      const before = await callUntilGood({ ...session, ...renewed }, house.replicas[1]!, 10_000)
      expect(tally(before)).not.toHaveProperty('401')
    },
  )

  it('is gone answers 503, and 200 when it is back', async () => {
    const session = takeSession()
    await house.idp.goDown()
    expect(tally(await callEverywhere(session, 10))).toEqual({ 503: 10 })
    await house.idp.comeBack()
    const before = await callUntilGood(session, house.replicas[0]!, 10_000)
    expect(tally(before)).not.toHaveProperty('401')
  })

  it('refuses the gateway itself keeps all grants, and is an error in the log', async () => {
    const session = takeSession()
    house.idp.setFault({ kind: 'error', error: 'invalid_client', status: 401, endpoint: 'token' })
    expect(tally(await callEverywhere(session, 10))).toEqual({ 503: 10 })
    const errors = () =>
      allLines(house).filter(({ level, failure }) => level === 'error' && failure)
    await expect
      .poll(() => errors()[0])
      .toMatchObject({
        path: 'failed',
        failure: 'operator',
        error: 'invalid_client',
      })
    house.idp.clearFaults()
    expect(tally(await callUntilGood(session, house.replicas[0]!, 10_000))).not.toHaveProperty(
      '401',
    )
  })

  it('wants a new login is asked once for five hundred calls', async () => {
    const session = takeSession()
    const refreshes = countRefreshes(house)
    house.idp.setFault({ kind: 'error', error: 'interaction_required', endpoint: 'token' })
    const answers: CallAnswer[] = []
    for (let round = 0; round < 5; round += 1) answers.push(...(await callEverywhere(session, 100)))
    expect(tally(answers)).toEqual({ 401: 500 })
    expect(refreshes().requests).toBe(1)
    const refused = await refresh(session, house.replicas[1]!)
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
    expect(refreshes().requests).toBe(1)
  })
})

describe('an answer that is lost after the IdP has rotated', () => {
  const lost = { kind: 'drop-after-rotate', endpoint: 'token', times: 1 } as const

  it('is not asked for again by itself, and costs one login', async () => {
    const session = takeSession()
    const refreshes = countRefreshes(house)
    house.idp.setFault(lost)
    const first = await call(session, house.replicas[0]!)
    expect(first.status).toBe(503)
    expect(refreshes()).toEqual({ requests: 1, results: { dropped: 1 } })
    await waitFor(async () => (await call(session, house.replicas[0]!)).status === 401, {
      what: 'the next attempt to be refused',
      intervalMs: 50,
    })
    expect(refreshes().results).toEqual({ dropped: 1, invalid_grant: 1 })
    const again = await signIn(house, session.clientId)
    expect((await call(again, house.replicas[1]!)).status).toBe(200)
  })

  it('is asked for again where the preset says that the IdP forgives it, and nobody notices', async () => {
    const forgiving = await startHouse({
      replicas: 1,
      idp: { accessTokenTtlSeconds: TTL_SECONDS, rotation: false },
      upstream: { repeatsRefresh: true },
    })
    try {
      const session = await signIn(forgiving)
      await upstreamExpiry(session, TTL_SECONDS)
      const refreshes = countRefreshes(forgiving)
      forgiving.idp.setFault(lost)
      expect((await call(session, forgiving.replicas[0]!)).status).toBe(200)
      expect(refreshes()).toEqual({ requests: 2, results: { dropped: 1, ok: 1 } })
    } finally {
      await forgiving.close()
    }
  })
})
