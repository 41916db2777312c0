import { afterAll, beforeAll } from 'vitest'
import { startRedisCluster, type TestRedisCluster } from '../../support/redis.ts'
import { describeStoreContract } from '../contract.ts'
import { openRedisStore } from './open.ts'

let cluster: TestRedisCluster
beforeAll(async () => {
  cluster = await startRedisCluster()
})
afterAll(() => cluster.stop())

describeStoreContract('the Redis store on a cluster', async lifetimes => [
  openRedisStore({ cluster: cluster.nodes }, { lifetimes }),
  openRedisStore({ cluster: cluster.nodes }, { lifetimes }),
])
