import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { Logger } from '../../observability/log.ts'
import { createClient, type RedisAccess, type RedisClient, type RedisServers } from './clients.ts'
import { createStoreClock } from './clock.ts'
import { createRun, type Run } from './deadline.ts'
import { describe, type RedisDescription } from './describe.ts'
import { createKeys, type Keys } from './keys.ts'
import { watchReadiness } from './readiness.ts'
import { createReplicaBarrier } from './replicas.ts'
import { createSubscription, type Subscription } from './subscription.ts'

export type RedisConnectionOptions = {
  servers: RedisServers
  access?: RedisAccess
  /** In front of every key and of the channel; no braces. */
  keyPrefix?: string
  /** How long one operation may take, waiting for a connection and repetitions included. */
  deadlineMs?: number
  /** How many replicas must have a grant's write before it is acknowledged; waited for briefly. Default 1 with sentinels or a cluster, else 0. */
  waitReplicas?: number
  /** The local clock; epoch seconds, with fraction. */
  now?: () => number
}

/** The way to Redis: commands with a deadline, a subscriber, the server's clock. Connects by itself, and again whenever the connection is lost. */
export type RedisConnection = {
  readonly keys: Keys
  readonly run: Run
  readonly subscription: Subscription
  /** It only counts: how many are too many, and in which time, is said with each. For use within `run`. */
  readonly limiter: RateLimiterRedis
  /** Resolves when replicas have all that was written for this grant, or when they took too long. */
  confirmReplicas(grantId: string): Promise<void>
  /** Epoch seconds on the server's clock; on the local one until the server has answered once. */
  now(): number
  close(): Promise<void>
}

const DEFAULT_KEY_PREFIX = 'mcp-auth-gateway:'
const DEFAULT_DEADLINE_MS = 1_000

const UPKEEP_INTERVAL_MS = 30_000

/** The keys have their prefix already. */
const COUNTING = { keyPrefix: '', points: Number.MAX_SAFE_INTEGER, duration: 1 }

/**
 * Never waits for Redis and never throws because Redis is away: operations do, each within its deadline, until it is there.
 *
 * @throws RangeError where the key prefix has braces
 */
export function createRedisConnection(
  options: RedisConnectionOptions,
  logger: Logger,
): RedisConnection {
  const keys = createKeys(options.keyPrefix ?? DEFAULT_KEY_PREFIX)
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const client = createClient(options.servers, options.access ?? {}, deadlineMs)
  // At once: a pipeline that is open already knows no command that is defined later.
  const limiter = new RateLimiterRedis({ storeClient: client, ...COUNTING })
  const readiness = watchReadiness(client, logger)
  const run = createRun(client, readiness, deadlineMs)
  const localNow = options.now ?? (() => Date.now() / 1000)
  const clock = createStoreClock(run, localNow)
  const subscription = createSubscription(client, keys.channel, logger)
  const replicas = options.waitReplicas ?? ('url' in options.servers ? 0 : 1)
  const barrier = createReplicaBarrier(client, { replicas, keys, logger, now: localNow })

  const upkeep = (): void => {
    void clock.sample()
    subscription.renew()
  }
  readiness.onReady(upkeep)
  readiness.onReady(warnOnceOfEviction(run, logger))
  const timer = setInterval(upkeep, UPKEEP_INTERVAL_MS).unref()

  return {
    keys,
    run,
    subscription,
    limiter,
    confirmReplicas: barrier.confirm,
    now: clock.now,
    async close() {
      clearInterval(timer)
      readiness.close()
      barrier.close()
      subscription.close()
      await disconnect(client)
    },
  }
}

/**
 * What the server says of itself, for readiness and the doctor.
 *
 * @throws OutageError
 */
export function describeRedis(connection: RedisConnection): Promise<RedisDescription> {
  return describe(connection.run)
}

function warnOnceOfEviction(run: Run, logger: Logger): () => void {
  let isKnown = false
  return () => {
    if (isKnown) return
    describe(run).then(
      ({ maxmemoryPolicy }) => {
        if (isKnown) return
        isKnown = true
        if (maxmemoryPolicy === undefined || maxmemoryPolicy === 'noeviction') return
        logger.warn(
          { maxmemoryPolicy },
          'Redis may evict grants when its memory is full, which logs users out: set maxmemory-policy to noeviction',
        )
      },
      // Asked again at the next connection.
      () => {},
    )
  }
}

async function disconnect(client: RedisClient): Promise<void> {
  if (client.status === 'end') return
  const ended = new Promise<void>(resolve => client.once('end', () => resolve()))
  const isConnected = client.status === 'ready'
  client.disconnect()
  if (isConnected) await ended
}
