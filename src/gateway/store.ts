import type { GatewayConfig, RedisConfig } from '../config/schema.ts'
import type { KeyRing } from '../domain/key-ring.ts'
import type { Logger } from '../observability/log.ts'
import { createMemoryStore } from '../store/memory.ts'
import { type ObserveOperation, observeStore } from '../store/observed.ts'
import type { Store } from '../store/port.ts'
import { createRedisConnection, type RedisConnectionOptions } from '../store/redis/connection.ts'
import { createRedisInvalidations } from '../store/redis/invalidations.ts'
import { createRedisStore } from '../store/redis/store.ts'

/** Where state is, for as long as the process lives. A part of the composition in `gateway.ts`. */
export type StoreSource = {
  /** The store as one configuration has it: the same state, perhaps other keys and lifetimes. */
  open(config: GatewayConfig, ring: KeyRing): Store
}

export function createStoreSource(
  config: GatewayConfig,
  logger: Logger,
  observe: ObserveOperation,
  given?: Store,
): StoreSource {
  if (given || !config.redis) {
    const store = observeStore(given ?? createMemoryStore(describeLifetimes(config)), observe)
    return { open: () => store }
  }
  const connection = createRedisConnection(describeRedis(config.redis), logger)
  const invalidations = createRedisInvalidations(connection, logger)
  return {
    open: (current, ring) =>
      observeStore(
        createRedisStore({
          ...{ connection, invalidations, ring, logger },
          ...describeLifetimes(current),
        }),
        observe,
      ),
  }
}

function describeLifetimes({ lifetimes }: GatewayConfig) {
  return {
    lifetimes: {
      graceSeconds: lifetimes.refreshGraceSeconds,
      grantAbsoluteSeconds: lifetimes.grantAbsoluteSeconds,
    },
  }
}

export function describeRedis(redis: RedisConfig): RedisConnectionOptions {
  const { keyPrefix, timeoutMs, username, password, tls } = redis
  const access = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
  }
  return { servers: findServers(redis), access, keyPrefix, deadlineMs: timeoutMs }
}

function findServers(redis: RedisConfig): RedisConnectionOptions['servers'] {
  if ('url' in redis) return { url: redis.url }
  if ('cluster' in redis) return { cluster: redis.cluster }
  const { name, nodes, password } = redis.sentinel
  return { name, sentinels: nodes, ...(password !== undefined && { sentinelPassword: password }) }
}
