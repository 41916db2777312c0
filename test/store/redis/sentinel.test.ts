/** A failover: the master dies, sentinels promote its replica. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/store/port.ts'
import {
  hasRedisSentinel,
  startRedisSentinel,
  type TestRedisSentinel,
} from '../../support/redis.ts'
import { sampleGrant, sampleTokens } from '../samples.ts'
import { until } from '../until.ts'
import { type LogLine, openRedisStore } from './open.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function begin(
  waitReplicas?: number,
): Promise<{ redis: TestRedisSentinel; store: Store; log: LogLine[] }> {
  const redis = await startRedisSentinel()
  ends.push(redis.stop)
  const log: LogLine[] = []
  const servers = { sentinels: redis.sentinels, name: redis.name }
  const store = openRedisStore(servers, { log, waitReplicas: waitReplicas ?? 1 })
  ends.push(store.close)
  await until('the store', () => isThere(store))
  return { redis, store, log }
}

async function isThere(store: Store): Promise<boolean> {
  await store.check()
  return true
}

async function openGrant(store: Store, version = 0) {
  const grant = sampleGrant(store.now(), { version })
  const end = store.now() + 60
  await store.grants.open(grant, end)
  await store.grants.activate(grant.grantId, { generation: 0, kid: 'k1' }, end)
  return grant
}

const UNCONFIRMED = /replicas did not confirm/

describe.runIf(hasRedisSentinel())('Redis behind sentinels', () => {
  it('keeps every acknowledged write of a grant when the master dies at once', async () => {
    const { redis, store, log } = await begin()
    const [rotated, refreshed, revoked] = [
      await openGrant(store),
      await openGrant(store),
      await openGrant(store),
    ]
    const claimed = await store.grants.claimUpstreamRefresh(refreshed.grantId, 'a')
    const tokens = sampleTokens(store.now())
    const first = { generation: 0, kid: 'k1' }
    const end = store.now() + 60
    await Promise.all([
      store.grants.rotateRefreshToken(rotated.grantId, first, 'k2', end),
      store.grants.replaceUpstreamTokens(claimed!.lease, 0, { tokens }),
      store.grants.revoke(revoked.grantId),
    ])
    await redis.killMaster()

    await until('the failover', () => isThere(store))
    const repeat = await store.grants.rotateRefreshToken(rotated.grantId, first, 'k3', end)
    expect(repeat).toEqual({ outcome: 'repeated', successor: { generation: 1, kid: 'k2' } })
    const found = await store.grants.find(refreshed.grantId)
    expect(found).toEqual({ ...refreshed, upstreamTokens: tokens, version: 1 })
    expect(await store.grants.find(revoked.grantId)).toBeUndefined()
    const changes = log.map(({ msg }) => msg).filter(msg => /^store /.test(msg))
    expect(changes).toEqual(['store connected', 'store lost', 'store connected'])
  })

  it('goes on without a replica, each write a moment later, and says so once', async () => {
    const { redis, store, log } = await begin()
    await openGrant(store)
    expect(log.filter(({ msg }) => UNCONFIRMED.test(msg))).toEqual([])
    await redis.pauseReplica(5_000)
    const startedAt = performance.now()
    const grants = await Promise.all(Array.from({ length: 30 }, () => openGrant(store)))
    // Two writes each, which share their waits; one after the other they would take six seconds.
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    for (const grant of grants) expect(await store.grants.find(grant.grantId)).toEqual(grant)
    expect(log.filter(({ msg }) => UNCONFIRMED.test(msg))).toHaveLength(1)
  })

  it('waits for no replica where it is told so', async () => {
    const { redis, store, log } = await begin(0)
    await redis.pauseReplica(5_000)
    await openGrant(store)
    expect(log.filter(({ msg }) => UNCONFIRMED.test(msg))).toEqual([])
  })
})
