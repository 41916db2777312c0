import { Redis } from 'ioredis'
import { waitFor } from '../../support/wait-for.ts'
import { authorizationUrl, call, callUntilGood, refresh, register, signIn } from '../client.ts'
import type { Scene } from './scene.ts'
import { recordFault, type Stage } from './stage.ts'

const SEVERAL = Array.from({ length: 6 }, (_, n) => n)

export const STORE_SCENES: readonly Scene[] = [
  {
    fault: 'Redis is down',
    alerts: [
      'McpGatewayStoreUnreachable',
      'McpGatewayStoreFailing',
      'McpGatewaySignInsFailing',
      'McpGatewayTokensFailing',
    ],
    record: async stage => {
      const { house } = stage
      const clientId = await register(house)
      const session = await signIn(house, clientId)
      return recordFault(
        stage,
        async () => {
          await house.redis?.kill()
          for (const _ of SEVERAL) {
            await fetch(authorizationUrl(house, clientId, 'v'.repeat(43)))
            await refresh(session, house.front)
          }
        },
        async () => {
          await house.redis?.restart()
          await backInService(stage)
        },
      )
    },
  },
  {
    fault: 'Redis answers, but late',
    alerts: ['McpGatewayStoreSlow', 'McpGatewaySlow'],
    record: async stage => {
      const { house } = stage
      const clientId = await register(house)
      return recordFault(stage, async () => {
        for (const n of SEVERAL) {
          const session = await signIn(house, clientId)
          // Neither replica has seen the grant.
          await house.redis?.pause(400)
          await call(session, house.replicas[n % 2]!)
        }
      })
    },
  },
  {
    fault: 'records in Redis are damaged, so that they do not open',
    alerts: ['McpGatewayStoreFailing'],
    record: async stage => {
      const { house } = stage
      const session = await signIn(house)
      return recordFault(
        stage,
        async () => {
          await damageGrants(house.redis!.port)
          await waitFor(async () => (await call(session, house.replicas[0]!)).status === 503, {
            what: 'a damaged record to be met',
            timeoutMs: 15_000,
            intervalMs: 100,
          })
          for (const _ of SEVERAL) await call(session, house.replicas[0]!)
        },
        () => withRedis(house.redis!.port, client => client.flushall()),
      )
    },
  },
]

async function backInService({ house }: Stage): Promise<void> {
  const session = await waitFor(() => signIn(house), {
    what: 'sign-ins to work again',
    timeoutMs: 15_000,
    intervalMs: 200,
  })
  for (const replica of house.replicas) await callUntilGood(session, replica, 15_000)
}

/** Replaces in every grant what is sealed by something as long. */
function damageGrants(port: number): Promise<void> {
  return withRedis(port, async client => {
    for (const key of await client.keys('*:grant')) {
      const fields = await client.hgetall(key)
      const damaged = Object.entries(fields)
        .filter(([, value]) => value.length > 100)
        .flatMap(([name, value]) => [name, `${value.slice(0, -20)}${'A'.repeat(20)}`])
      if (damaged.length > 0) await client.hset(key, ...damaged)
    }
  })
}

async function withRedis<T>(port: number, act: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ port, host: '127.0.0.1' })
  try {
    return await act(client)
  } finally {
    client.disconnect()
  }
}
