/** A replica whose clock is a minute off. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { call, refresh, register, type Session, signIn, tally, tokensOf } from './client.ts'
import { allLines, countRefreshes, type FaultHouse, startHouse } from './house.ts'

const TTL_SECONDS = 6
const PRELOAD = join(import.meta.dirname, 'shifted-clock.mjs')

let house: FaultHouse
let sessions: Session[]

beforeAll(async () => {
  house = await startHouse({
    idp: { accessTokenTtlSeconds: TTL_SECONDS },
    nodeArgs: replica => (replica === 0 ? ['--import', PRELOAD] : []),
  })
  // Every step of these logins, the check of the ID token too, is on the replica that is off for some of them.
  const clientId = await register(house)
  sessions = await Promise.all(Array.from({ length: 6 }, () => signIn(house, clientId)))
})
afterAll(() => house.close())

/** Calls as fast as they are answered on all replicas in turn, and refreshes as a client now and then. */
async function use(seconds: number): Promise<Record<number, number>> {
  const endsAt = performance.now() + seconds * 1000
  const statuses: { status: number }[] = []
  let round = 0
  await waitFor(
    async () => {
      const replica = house.replicas[round++ % 3]!
      statuses.push(...(await Promise.all(sessions.map(session => call(session, replica)))))
      if (round % 20 === 0) {
        sessions = await Promise.all(
          sessions.map(async session => ({
            ...session,
            ...tokensOf(await refresh(session, replica)),
          })),
        )
      }
      return performance.now() > endsAt
    },
    { what: 'the end of the use', timeoutMs: seconds * 1000 + 5000, intervalMs: 50 },
  )
  return tally(statuses)
}

describe('a replica whose clock is a minute ahead', () => {
  it('logs nobody out, and refreshes no more often than the others', async () => {
    const refreshes = countRefreshes(house)
    const startedAt = performance.now()
    expect(Object.keys(await use(12))).toEqual(['200'])
    const elapsed = (performance.now() - startedAt) / 1000
    // A token is good for between four and five of its six seconds; each grant has one from its login.
    const atMost = sessions.length * (Math.floor(elapsed / (TTL_SECONDS - 2.5)) + 1)
    expect(refreshes().results).toEqual({ ok: refreshes().requests })
    expect(refreshes().requests).toBeLessThanOrEqual(atMost)
  }, 40_000)

  it('neither when its clock is set by another minute while it runs', async () => {
    house.replicas[0]!.signal('SIGUSR2')
    const refreshes = countRefreshes(house)
    const startedAt = performance.now()
    const answers = await use(12)
    const elapsed = (performance.now() - startedAt) / 1000
    expect(Object.keys(answers)).toEqual(['200'])
    const atMost = sessions.length * (Math.floor(elapsed / (TTL_SECONDS - 2.5)) + 1)
    expect(refreshes().requests).toBeLessThanOrEqual(atMost)
    expect(allLines(house).filter(({ level }) => level === 'error')).toEqual([])
  }, 40_000)
})
