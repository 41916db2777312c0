/** The replica that refreshes is told to stop while it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { call, signIn } from './client.ts'
import { countRefreshes, type FaultHouse, startHouse } from './house.ts'

/** Long enough to have a window before its end in which a token is refreshed behind a call. */
const TTL_SECONDS = 20

let house: FaultHouse

beforeAll(async () => {
  house = await startHouse({ replicas: 2, idp: { accessTokenTtlSeconds: TTL_SECONDS } })
})
afterAll(() => house.close())

describe('SIGTERM of the replica that refreshes', () => {
  it('ends it only when the tokens are stored, whether a call waits for them or not', async () => {
    const { idp, backend, replicas } = house
    const [leaving, staying] = replicas
    const session = await signIn(house)
    const refreshes = countRefreshes(house)
    idp.setFault({ kind: 'slow', ms: 1000, endpoint: 'token' })
    await waitFor(
      async () => {
        expect((await call(session, leaving!)).status).toBe(200)
        return refreshes().results.ok === 1
      },
      { what: 'a refresh behind a call', timeoutMs: TTL_SECONDS * 1000, intervalMs: 50 },
    )
    const first = backend.calls[0]!.token
    // No call waits: each has got the token that is near its end.
    expect(new Set(backend.calls.map(({ token }) => token))).toEqual(new Set([first]))
    expect(await leaving!.stop()).toBe(0)
    idp.clearFaults()
    expect((await call(session, staying!)).status).toBe(200)
    expect(backend.calls.at(-1)!.token).not.toBe(first)
    expect(refreshes()).toEqual({ requests: 1, results: { ok: 1 } })
  }, 60_000)
})
