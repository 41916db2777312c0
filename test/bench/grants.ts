import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type BenchGateway, startBenchGateway } from './gateway.ts'

const GRANTS = 20
/** Longer than a grant is cached. */
const COLD_AFTER_MS = 6000
const STORM_CALLS = 50
const STORM_UPSTREAM_SECONDS = 12

export type ColdGrants = { grants: number; commands: Readonly<Record<string, number>> }

/** What Redis is asked for when grants are used that no cache holds: counted by the server itself. */
export async function measureColdGrants(backend: string, cpu: string): Promise<ColdGrants> {
  const gateway = await startBenchGateway({ instance: `${backend}/mcp`, cpu, grants: GRANTS })
  const redis = new Redis(gateway.redisPort, '127.0.0.1')
  await callAll(gateway, 1)
  await pause(COLD_AFTER_MS)
  await redis.call('CONFIG', 'RESETSTAT')
  await callAll(gateway, 1)
  const commands = parseStats(await redis.info('commandstats'))
  redis.disconnect()
  await gateway.stop()
  return { grants: GRANTS, commands }
}

export type ExpiryStorm = {
  calls: number
  failures: number
  refreshes: number
  /** Milliseconds until the last one was answered. */
  tookMs: number
}

/** Many calls of each grant at the moment when the upstream tokens of all have expired. */
export async function measureExpiryStorm(backend: string, cpu: string): Promise<ExpiryStorm> {
  const gateway = await startBenchGateway({
    ...{ instance: `${backend}/mcp`, cpu, grants: GRANTS },
    upstreamSeconds: STORM_UPSTREAM_SECONDS,
  })
  await pause(STORM_UPSTREAM_SECONDS * 1000)
  const refreshed = gateway.countRefreshes()
  const began = performance.now()
  const failures = await callAll(gateway, STORM_CALLS)
  const tookMs = performance.now() - began
  const refreshes = gateway.countRefreshes() - refreshed
  await gateway.stop()
  return { calls: GRANTS * STORM_CALLS, failures, refreshes, tookMs }
}

/** @returns how many were not answered with 200 */
async function callAll({ url, accessTokens }: BenchGateway, each: number): Promise<number> {
  const calls = accessTokens.flatMap(token =>
    Array.from({ length: each }, async () => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const response = await fetch(url, { method: 'POST', headers, body: '{}' })
      await response.arrayBuffer()
      return response.status
    }),
  )
  return (await Promise.all(calls)).filter(status => status !== 200).length
}

/** `cmdstat_get:calls=3,usec=…` */
function parseStats(info: string): Record<string, number> {
  const found = info.matchAll(/^cmdstat_([\w|-]+):calls=(\d+)/gm)
  const counted = [...found].map(([, name = '', calls = '0']) => [name, Number(calls)] as const)
  return Object.fromEntries(counted.filter(([name]) => !/^(config|info|client)\b/.test(name)))
}
