/** The master of Redis dies for good, and a replica takes its place. */
import { describe, expect, it } from 'vitest'
import { hasRedisSentinel, startRedisCluster, startRedisSentinel } from '../support/redis.ts'
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
const GRANTS = 9

type HighlyAvailable = {
  /** The `redis` section of the configuration. */
  redis: Record<string, unknown>
  killMaster(): Promise<void>
  stop(): Promise<void>
}

describe('the loss of a master', () => {
  it.runIf(hasRedisSentinel())(
    'that sentinels watch loses no grant that was acknowledged, and is no wrong 401',
    async () => {
      const { sentinels, name, ...processes } = await startRedisSentinel()
      await survive({ ...processes, redis: { sentinel: { name, nodes: render(sentinels) } } })
    },
    90_000,
  )

  it('of a cluster loses no grant that was acknowledged, and is no wrong 401', async () => {
    const { nodes, ...processes } = await startRedisCluster({ hasReplicas: true })
    await survive({ ...processes, redis: { cluster: render(nodes) } })
  }, 90_000)
})

async function survive({ redis, killMaster, stop }: HighlyAvailable): Promise<void> {
  const house = await startHouse({
    replicas: 2,
    idp: { accessTokenTtlSeconds: TTL_SECONDS },
    redis,
  })
  try {
    const clientId = await register(house)
    const sessions = await Promise.all(
      Array.from({ length: GRANTS }, () => signIn(house, clientId)),
    )
    const renewed = await Promise.all(
      sessions.map(async (session, n) => ({
        ...session,
        ...tokensOf(await refresh(session, house.replicas[n % 2]!)),
      })),
    )
    await upstreamExpiry(sessions.at(-1)!, TTL_SECONDS)
    const refreshes = countRefreshes(house)
    await killMaster()
    const before = await Promise.all(
      renewed.map((session, n) => callUntilGood(session, house.replicas[n % 2]!, FAILOVER_MS)),
    )
    expect(tally(before.flat())).not.toHaveProperty('401')
    expect(refreshes().results).toEqual({ ok: refreshes().requests })
    expect(refreshes().requests).toBeGreaterThanOrEqual(GRANTS)
    // The newest refresh tokens are known to the new master.
    const again = await Promise.all(
      renewed.map((session, n) => refresh(session, house.replicas[(n + 1) % 2]!)),
    )
    expect(tally(again)).toEqual({ 200: GRANTS })
  } finally {
    await house.close()
    await stop()
  }
}

function render(nodes: readonly { host: string; port: number }[]): string[] {
  return nodes.map(({ host, port }) => `${host}:${port}`)
}
