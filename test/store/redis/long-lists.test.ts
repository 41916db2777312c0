/** Lists with more grants than there is room for within the deadline of one operation. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createId, digest } from '../../../src/domain/secret.ts'
import type { Store } from '../../../src/store/port.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { sampleGrant } from '../samples.ts'
import { openRedisStore } from './open.ts'

const MANY = 50_000

let redis: TestRedis
let client: Redis
let store: Store

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
  store = openRedisStore({ url: redis.url })
})
afterAll(async () => {
  await store.close()
  client.disconnect()
  await redis.stop()
})

/** Grants that have ended before their latest possible end. */
async function listEnded(clientId: string): Promise<void> {
  const end = Date.now() + 3_600_000
  const entries = Array.from({ length: MANY }, () => [end, createId()]).flat()
  await client.zadd(`mcp-auth-gateway:client:${digest(clientId)}`, ...entries)
}

describe('a client that has had more grants than can be read within a deadline', () => {
  it('has those that live listed and revoked', async () => {
    const grant = sampleGrant(store.now())
    await store.grants.open(grant, store.now() + 600)
    await listEnded(grant.clientId)
    expect(await store.grants.listByClient(grant.clientId)).toEqual([grant])
    expect(await store.grants.revokeClient(grant.clientId)).toEqual({
      ended: [grant],
      failures: [],
    })
    expect(await store.grants.find(grant.grantId)).toBeUndefined()
  })
})
