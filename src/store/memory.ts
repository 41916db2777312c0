/**
 * The store of a gateway that is one process and may forget everything when it ends: development, tests, a single small instance. Nothing here waits, so every
 * operation is atomic by itself; values are copied in and out, so no caller shares state with the store.
 */
import type { AuthorizationCode, PendingAuthorization } from '../domain/authorization-request.ts'
import { createExpiringMap } from './expiring-map.ts'
import { DEFAULT_LIFETIMES, type StoreLifetimes } from './lifetimes.ts'
import { createMemoryGrants } from './memory-grants.ts'
import { createMemoryRates } from './memory-rates.ts'
import type {
  AuthorizationStore,
  ClientStore,
  Invalidation,
  Invalidations,
  ReplayGuard,
  Store,
} from './port.ts'

export type MemoryStoreOptions = {
  /** Epoch seconds, with fraction. */
  now?: () => number
  lifetimes?: Partial<StoreLifetimes>
}

export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  const now = options.now ?? (() => Date.now() / 1000)
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const invalidations = createMemoryInvalidations()
  return {
    clients: createMemoryClients(),
    authorizations: createMemoryAuthorizations(now, lifetimes.tombstoneSeconds),
    grants: createMemoryGrants(now, lifetimes, invalidations.publish),
    replay: createMemoryReplayGuard(now),
    rates: createMemoryRates(now),
    invalidations,
    now,
    check: async () => {},
    close: async () => {},
  }
}

function createMemoryClients(): ClientStore {
  const denied = new Set<string>()
  return {
    isDenied: async clientId => denied.has(clientId),
    deny: async clientId => void denied.add(clientId),
    lift: async clientId => void denied.delete(clientId),
  }
}

function createMemoryAuthorizations(
  now: () => number,
  tombstoneSeconds: number,
): AuthorizationStore {
  const parked = createExpiringMap<PendingAuthorization>(now)
  const codes = createExpiringMap<AuthorizationCode>(now)
  const spent = createExpiringMap<string>(now)
  return {
    park: async (handle, pending, ttlSeconds) =>
      parked.set(handle, structuredClone(pending), now() + ttlSeconds),
    takePending: async handle => parked.take(handle),
    issueCode: async (code, record, ttlSeconds) =>
      codes.set(code, structuredClone(record), now() + ttlSeconds),
    async takeCode(code) {
      const record = codes.take(code)
      if (record) {
        spent.set(code, record.grantId, now() + tombstoneSeconds)
        return { outcome: 'redeemed', code: record }
      }
      const grantId = spent.get(code)
      return grantId === undefined ? { outcome: 'unknown' } : { outcome: 'replayed', grantId }
    },
  }
}

function createMemoryReplayGuard(now: () => number): ReplayGuard {
  const used = createExpiringMap<true>(now)
  return {
    async markUsed(id, until) {
      if (used.get(id)) return false
      used.set(id, true, until)
      return true
    },
  }
}

function createMemoryInvalidations(): Invalidations {
  const listeners = new Set<(invalidation: Invalidation) => void>()
  return {
    async publish(invalidation) {
      // Later, as from a channel: a listener never runs inside the operation that it hears of.
      for (const listener of listeners) {
        queueMicrotask(() => listeners.has(listener) && listener({ ...invalidation }))
      }
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
