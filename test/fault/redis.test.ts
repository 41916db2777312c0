/** Redis in trouble: nobody is logged out, and what it had acknowledged is there again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
import { countRefreshes, type FaultHouse, startHouse } from './house.ts'

const TTL_SECONDS = 20
const CACHE_SECONDS = 5

let house: FaultHouse
let sessions: Session[]
/** Signed in first and not used before the last test, when its upstream token has expired. */
let idle: Session

beforeAll(async () => {
  house = await startHouse({ replicas: 2, idp: { accessTokenTtlSeconds: TTL_SECONDS } })
  const clientId = await register(house)
  idle = await signIn(house, clientId)
  sessions = await Promise.all(Array.from({ length: 6 }, () => signIn(house, clientId)))
}, 40_000)
afterAll(() => house.close())

const callAll = async (): Promise<CallAnswer[]> =>
  (
    await Promise.all(
      sessions.flatMap(session => house.replicas.map(replica => call(session, replica))),
    )
  ).flat()

/** Calls all grants on all replicas again and again. @returns what was answered other than 200 */
async function callThroughout(isOver: () => boolean): Promise<CallAnswer[]> {
  const answers: CallAnswer[] = []
  await waitFor(
    async () => {
      answers.push(...(await callAll()))
      return isOver()
    },
    { what: 'the end of the trouble', timeoutMs: 30_000, intervalMs: 100 },
  )
  return answers.filter(({ status }) => status !== 200)
}

function expectOnlyTryLater(answers: CallAnswer[]): void {
  expect(Object.keys(tally(answers)).filter(status => status !== '503')).toEqual([])
  for (const { retryAfter } of answers) expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
}

describe('Redis paused for three seconds', () => {
  it('is no wrong 401, and is over when it is over', async () => {
    expect(tally(await callAll())).toEqual({ 200: 12 })
    let isOver = false
    await house.redis!.pause(3000)
    const ended = waitFor(() => house.redis!.keys(), {
      what: 'Redis to answer',
      timeoutMs: 10_000,
    }).then(() => {
      isOver = true
    })
    const tokens = await refresh(sessions[0]!, house.replicas[0]!)
    expect([tokens.status, tokens.body.error]).toEqual([503, 'temporarily_unavailable'])
    expect(Number(tokens.retryAfter)).toBeGreaterThanOrEqual(1)
    expectOnlyTryLater(await callThroughout(() => isOver))
    await ended
    for (const session of sessions) await callUntilGood(session, house.replicas[0]!, 5000)
    expect((await refresh(sessions[0]!, house.replicas[1]!)).status).toBe(200)
  }, 40_000)
})

describe('Redis killed and started again', () => {
  it('serves warm grants for the life of the cache, then 503, and everything when it is back', async () => {
    expect(tally(await callAll())).toEqual({ 200: 12 })
    await house.redis!.kill()
    const killedAt = performance.now()
    expect(tally(await callAll())).toEqual({ 200: 12 })
    const cold = await callThroughout(
      () => performance.now() - killedAt > (CACHE_SECONDS + 1) * 1000,
    )
    expect(cold.length).toBeGreaterThan(0)
    expectOnlyTryLater(cold)

    await house.redis!.restart()
    for (const session of sessions) {
      for (const replica of house.replicas) {
        const before = await callUntilGood(session, replica, 10_000)
        expect(tally(before)).not.toHaveProperty('401')
      }
    }
    const renewed = await Promise.all(
      sessions.map(async (session, n) => tokensOf(await refresh(session, house.replicas[n % 2]!))),
    )
    expect(renewed).toHaveLength(6)
  }, 60_000)

  it('while the IdP refreshes: the rotated tokens are stored as soon as it is back', async () => {
    await upstreamExpiry(idle, TTL_SECONDS)
    const refreshes = countRefreshes(house)
    house.idp.setFault({ kind: 'slow', ms: 500, endpoint: 'token', times: 1 })
    const waiting = call(idle, house.replicas[0]!)
    await waitFor(() => refreshes().results.ok === 1, { what: 'the IdP to have rotated' })
    await house.redis!.kill()
    await waitFor(() => house.replicas[0]!.lines().some(isTryingAgain), {
      what: 'the store to refuse the tokens',
      timeoutMs: 10_000,
    })
    await house.redis!.restart()
    expect((await waiting).status).toBe(200)
    await callUntilGood(idle, house.replicas[1]!, 5000)
    expect(refreshes()).toEqual({ requests: 1, results: { ok: 1 } })
  }, 80_000)
})

function isTryingAgain({ msg }: Record<string, unknown>): boolean {
  return msg === 'the store does not take refreshed upstream tokens; trying again'
}
