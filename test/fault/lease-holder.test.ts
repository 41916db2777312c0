/** The replica that refreshes is killed while it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { call, type Session, signIn, tally, upstreamExpiry } from './client.ts'
import { countRefreshes, type FaultHouse, startHouse } from './house.ts'

const TTL_SECONDS = 4
const LEASE_SECONDS = 15

let house: FaultHouse

beforeAll(async () => {
  house = await startHouse({ idp: { accessTokenTtlSeconds: TTL_SECONDS } })
})
afterAll(() => house.close())

describe('SIGKILL of the replica that holds the lease', () => {
  /** Grants whose refresh the first replica has begun, and the moment of whose refresh it dies in. */
  const sessions = {} as Record<'before' | 'during' | 'after', Session>
  let killedAt: number
  let refreshes: ReturnType<typeof countRefreshes>

  beforeAll(async () => {
    const [victim] = house.replicas
    sessions.before = await signIn(house)
    sessions.during = await signIn(house)
    sessions.after = await signIn(house)
    await upstreamExpiry(sessions.after, TTL_SECONDS)
    refreshes = countRefreshes(house)
    const begin = (session: Session): void => void call(session, victim!).catch(() => {})

    house.idp.setFault({ kind: 'hang', endpoint: 'token', times: 1 })
    begin(sessions.before)
    await waitFor(() => refreshes().results['fault:hang'] === 1, { what: 'the hanging refresh' })

    house.idp.setFault({ kind: 'slow', ms: 60_000, endpoint: 'token', times: 1 })
    begin(sessions.during)
    await waitFor(() => refreshes().results.ok === 1, { what: 'the IdP to have rotated' })

    house.idp.setFault({ kind: 'slow', ms: 200, endpoint: 'token', times: 1 })
    begin(sessions.after)
    await waitFor(() => refreshes().results.ok === 2, { what: 'the IdP to have rotated' })
    // The answer arrives while the store takes nothing.
    await house.redis!.pause(1500)
    await waitFor(() => hasTried(victim!.lines()), { what: 'the store to refuse the tokens' })
    await victim!.kill()
    killedAt = performance.now()
  }, 40_000)

  it('before the IdP has seen the refresh costs a wait, and nothing else', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => call(sessions.before, house.replicas[1 + (n % 2)]!)),
    )
    expect(tally(answers)).toEqual({ 200: 20 })
    expect(performance.now() - killedAt).toBeLessThan((LEASE_SECONDS + 3) * 1000)
    expect(refreshes().results).toEqual({ 'fault:hang': 1, ok: 3 })
  }, 30_000)

  it.each(['during', 'after'] as const)(
    '%s its answer costs one clean login, and the IdP one refused refresh',
    async moment => {
      const before = refreshes().results.invalid_grant ?? 0
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => call(sessions[moment], house.replicas[1 + (n % 2)]!)),
      )
      expect(tally(answers)).toEqual({ 401: 20 })
      expect(answers[0]?.challenge).toMatch(/error="invalid_token".*resource_metadata=/)
      expect(refreshes().results.invalid_grant).toBe(before + 1)
      const again = await signIn(house, sessions[moment].clientId)
      expect((await call(again, house.replicas[1]!)).status).toBe(200)
    },
    30_000,
  )

  it('leaves the other replicas as they were', async () => {
    await house.replicas[0]!.start()
    const session = await signIn(house)
    const answers = await Promise.all(house.replicas.map(replica => call(session, replica)))
    expect(tally(answers)).toEqual({ 200: 3 })
  })
})

function hasTried(lines: Record<string, unknown>[]): boolean {
  return lines.some(
    ({ msg }) => msg === 'the store does not take refreshed upstream tokens; trying again',
  )
}
