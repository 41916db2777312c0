import type { Logger } from '../../observability/log.ts'
import { reasonOf } from '../../observability/reason.ts'
import {
  createRedisConnection,
  describeRedis,
  type RedisConnection,
  type RedisConnectionOptions,
} from '../../store/redis/connection.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { findWithoutTls } from './redis-tls.ts'
import { judgeSkew } from './upstream.ts'

const PINGS = 10
const SLOW_MS = 10
const OLDEST = [6, 2] as const
const NEARLY_FULL = 0.9

/** Looks at Redis as the gateway uses it: same connection, same deadline. Writes nothing. */
export async function examineRedis(
  options: RedisConnectionOptions | undefined,
  logger: Logger,
  now: () => number,
): Promise<Finding[]> {
  if (!options) {
    return [warn('state is in memory: one process only, and a restart ends it', 'configure redis')]
  }
  const connection = createRedisConnection(options, logger)
  try {
    const description = await describeRedis(connection)
    const { version, maxmemoryPolicy, connectedReplicas, role, memoryUse } = description
    return [
      judgeVersion(version),
      ...judgeRole(role),
      judgePolicy(maxmemoryPolicy),
      ...judgeMemory(memoryUse),
      judgeReplicas(connectedReplicas),
      await measureLatency(connection),
      judgeSkew('Redis', now() - (await readClock(connection))),
    ]
  } catch (error) {
    return explainSilence(options, error)
  } finally {
    await connection.close()
  }
}

async function explainSilence(options: RedisConnectionOptions, error: unknown): Promise<Finding[]> {
  const withoutTls = await findWithoutTls(options)
  if (withoutTls.length > 0) {
    const fix = 'turn TLS on there; or off here, with redis:// for rediss://, or redis.tls: false'
    return withoutTls.map(server => fail(`Redis at ${server} speaks no TLS`, fix))
  }
  return [
    fail(
      `Redis does not answer: ${reasonOf(error)}`,
      'check redis, its password, database and TLS, and the network between',
    ),
  ]
}

function judgeVersion(version: string | undefined): Finding {
  const fix = 'use Redis 6.2 or later'
  if (version === undefined) return warn('Redis does not say its version', fix)
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNewEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
  return isNewEnough ? ok(`Redis ${version}`) : fail(`Redis ${version} is too old`, fix)
}

function judgeRole(role: string | undefined): Finding[] {
  if (role !== 'slave') return []
  const fix =
    'point redis to the master; with redis.sentinel or redis.cluster it is found by itself'
  return [fail('Redis is a replica, and takes no writes', fix)]
}

/** @param use part of what it may use */
function judgeMemory(use: number | undefined): Finding[] {
  if (use === undefined || use < NEARLY_FULL) return []
  const fix = 'give it more memory (maxmemory)'
  return use < 1
    ? [warn(`Redis is nearly full: ${Math.floor(use * 100)} % of its memory is used`, fix)]
    : [fail('Redis is full, and takes no writes', fix)]
}

function judgePolicy(policy: string | undefined): Finding {
  if (policy === 'noeviction') return ok('Redis evicts nothing')
  const fix = 'set maxmemory-policy to noeviction'
  return policy === undefined
    ? warn('Redis does not say whether it evicts keys', `${fix}, or see that the provider has`)
    : fail(`Redis evicts keys when its memory is full (${policy}): users are logged out`, fix)
}

function judgeReplicas(count: number | undefined): Finding {
  return count
    ? ok(`Redis replicas: ${count}`)
    : warn(
        'Redis has no replica: when it goes, so does everybody’s login',
        'add one, with sentinels or in a cluster, and an append-only file',
      )
}

async function measureLatency({ run }: RedisConnection): Promise<Finding> {
  const times: number[] = []
  for (let count = 0; count < PINGS; count += 1) {
    const startedAt = performance.now()
    await run('ping', 'repeatable', client => client.ping())
    times.push(performance.now() - startedAt)
  }
  const median = times.sort((left, right) => left - right)[PINGS / 2] ?? 0
  const what = `Redis answers in ${median.toFixed(1)} ms`
  return median < SLOW_MS
    ? ok(what)
    : warn(what, 'bring it nearer: each login asks it some ten times')
}

async function readClock({ run }: RedisConnection): Promise<number> {
  const [seconds, microseconds] = await run('time', 'repeatable', client => client.time())
  return Number(seconds) + Number(microseconds) / 1e6
}
