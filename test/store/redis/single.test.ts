import { afterAll, beforeAll } from 'vitest'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { describeStoreContract } from '../contract.ts'
import { openRedisStore } from './open.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describeStoreContract('the Redis store on a single server', async lifetimes => [
  openRedisStore({ url: redis.url }, { lifetimes }),
  openRedisStore({ url: redis.url }, { lifetimes }),
])
