import type { KeyRing } from '../../domain/key-ring.ts'
import type { Logger } from '../../observability/log.ts'
import { DEFAULT_LIFETIMES, type StoreLifetimes } from '../lifetimes.ts'
import type { Invalidations, Store } from '../port.ts'
import { createSealer } from '../sealing.ts'
import type { RedisConnection } from './connection.ts'
import { createRedisGrants } from './grants.ts'
import { createRedisInvalidations } from './invalidations.ts'
import { createRedisRates } from './rates.ts'
import { createRedisAuthorizations, createRedisClients, createRedisReplayGuard } from './records.ts'
import { createSealedJson } from './sealed.ts'

export type RedisStoreOptions = {
  connection: RedisConnection
  /** Seals what is read back. */
  ring: KeyRing
  logger: Logger
  lifetimes?: Partial<StoreLifetimes>
  /** Of the same connection, where a store before this one has made them. */
  invalidations?: Invalidations
}

/** The store of a gateway with replicas: one Redis, a master with sentinels, or a cluster. Closing it closes the connection. */
export function createRedisStore({
  connection,
  ring,
  logger,
  ...options
}: RedisStoreOptions): Store {
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const sealed = createSealedJson(createSealer(ring))
  return {
    clients: createRedisClients(connection),
    authorizations: createRedisAuthorizations(connection, sealed, lifetimes.tombstoneSeconds),
    grants: createRedisGrants(connection, sealed, lifetimes),
    replay: createRedisReplayGuard(connection),
    rates: createRedisRates(connection),
    invalidations: options.invalidations ?? createRedisInvalidations(connection, logger),
    now: connection.now,
    async check() {
      await connection.run('check', 'repeatable', client => client.ping())
    },
    close: connection.close,
  }
}
