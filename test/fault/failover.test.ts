/** The master of Redis dies for good, and a replica takes its place. */
import { describe, expect, it } from 'vitest'
import { hasRedisSentinel, startRedisSentinel } from '../support/redis.ts'
import {
  callUntilGood,
  refresh,
  register,
  signIn,
  tally,
  tokensOf,
  upstreamExpiry,
} from './client.ts'
import { countRefreshes, startHouse } from './house.ts'

const TTL_SECONDS = 6
const FAILOVER_MS = 20_000

describe.runIf(hasRedisSentinel())('a failover of sentinels', () => {
  it('loses no grant that was acknowledged, and is no wrong 401', async () => {
    const redis = await startRedisSentinel()
    const { sentinels, name } = redis
    const nodes = sentinels.map(({ host, port }) => `${host}:${port}`)
    const house = await startHouse({
      replicas: 2,
      idp: { accessTokenTtlSeconds: TTL_SECONDS },
      redis: { sentinel: { name, nodes } },
    })
    try {
      const clientId = await register(house)
      const sessions = await Promise.all(Array.from({ length: 4 }, () => signIn(house, clientId)))
      const renewed = await Promise.all(
        sessions.map(async (session, n) => ({
          ...session,
          ...tokensOf(await refresh(session, house.replicas[n % 2]!)),
        })),
      )
      await upstreamExpiry(sessions.at(-1)!, TTL_SECONDS)
      const refreshes = countRefreshes(house)
      await redis.killMaster()
      const before = await Promise.all(
        renewed.map((session, n) => callUntilGood(session, house.replicas[n % 2]!, FAILOVER_MS)),
      )
      expect(tally(before.flat())).not.toHaveProperty('401')
      expect(refreshes().results).toEqual({ ok: refreshes().requests })
      expect(refreshes().requests).toBeGreaterThanOrEqual(sessions.length)
      // The newest refresh tokens are known to the new master.
      const again = await Promise.all(
        renewed.map((session, n) => refresh(session, house.replicas[(n + 1) % 2]!)),
      )
      expect(tally(again)).toEqual({ 200: 4 })
    } finally {
      await house.close()
      await redis.stop()
    }
  }, 90_000)
})
