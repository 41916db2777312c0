import { Writable } from 'node:stream'
import { createKeyRing, type KeyRing } from '../../../src/domain/key-ring.ts'
import { createLogger } from '../../../src/observability/log.ts'
import type { StoreLifetimes } from '../../../src/store/lifetimes.ts'
import type { Store } from '../../../src/store/port.ts'
import type { RedisServers } from '../../../src/store/redis/clients.ts'
import {
  createRedisConnection,
  type RedisConnection,
  type RedisConnectionOptions,
} from '../../../src/store/redis/connection.ts'
import { createRedisStore } from '../../../src/store/redis/store.ts'

export const OLD_KEY = Buffer.alloc(32, 1)
export const NEW_KEY = Buffer.alloc(32, 2)

export type OpenOptions = Omit<RedisConnectionOptions, 'servers'> & {
  lifetimes?: Partial<StoreLifetimes>
  ring?: KeyRing
  /** Receives the log, one entry a line. */
  log?: LogLine[]
}

export type LogLine = { level: string; msg: string; [field: string]: unknown }

/** A store as the gateway opens it; several on one Redis stand for several replicas. */
export function openRedisStore(
  servers: RedisServers,
  options: OpenOptions = {},
): Store & { connection: RedisConnection } {
  const { lifetimes, ring = createKeyRing([OLD_KEY]), log = [], ...rest } = options
  const logger = createLogger(
    'debug',
    new Writable({
      write(line, _encoding, done) {
        log.push(JSON.parse(String(line)))
        done()
      },
    }),
  )
  const connection = createRedisConnection({ servers, waitReplicas: 0, ...rest }, logger)
  const store = createRedisStore({ connection, ring, logger, ...(lifetimes && { lifetimes }) })
  return Object.assign(store, { connection })
}
