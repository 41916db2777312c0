import type { AuthorizationCode, PendingAuthorization } from '../../domain/authorization-request.ts'
import { OutageError } from '../../domain/outage.ts'
import { digest } from '../../domain/secret.ts'
import type { AuthorizationStore, ClientStore, ReplayGuard } from '../port.ts'
import type { RedisConnection } from './connection.ts'
import type { SealedJson } from './sealed.ts'

export function createRedisClients({ run, keys }: RedisConnection): ClientStore {
  return {
    isDenied: async clientId =>
      (await run('isDenied', 'repeatable', client =>
        client.sismember(keys.deniedClients, digest(clientId)),
      )) === 1,
    async deny(clientId) {
      await run('deny', 'repeatable', client => client.sadd(keys.deniedClients, digest(clientId)))
    },
    async lift(clientId) {
      await run('lift', 'repeatable', client => client.srem(keys.deniedClients, digest(clientId)))
    },
  }
}

export function createRedisAuthorizations(
  { run, keys }: RedisConnection,
  sealed: SealedJson,
  tombstoneSeconds: number,
): AuthorizationStore {
  return {
    async park(handle, pending, ttlSeconds) {
      const key = keys.pending(handle)
      await run('park', 'repeatable', client =>
        client.set(key, sealed.seal(pending, key), 'PX', toMs(ttlSeconds)),
      )
    },
    async takePending(handle) {
      const key = keys.pending(handle)
      const record = await run('takePending', 'once', client => client.getdel(key))
      return record === null ? undefined : sealed.unseal<PendingAuthorization>(record, key)
    },
    async issueCode(code, record, ttlSeconds) {
      const key = keys.code(code)
      await run('issueCode', 'repeatable', client =>
        client.issueCode(key, sealed.seal(record, key), record.grantId, `${toMs(ttlSeconds)}`),
      )
    },
    async takeCode(code) {
      const key = keys.code(code)
      const reply = await run('takeCode', 'once', client =>
        client.takeCode(key, `${toMs(tombstoneSeconds)}`),
      )
      const [outcome, value] = parseStrings(reply)
      if (outcome === 'redeemed' && value) {
        return { outcome, code: sealed.unseal<AuthorizationCode>(value, key) }
      }
      return outcome === 'replayed' && value ? { outcome, grantId: value } : { outcome: 'unknown' }
    },
  }
}

export function createRedisReplayGuard({ run, keys }: RedisConnection): ReplayGuard {
  return {
    markUsed: async (id, until) =>
      (await run('markUsed', 'once', client =>
        client.set(keys.usedId(id), '1', 'PXAT', toMs(until), 'NX'),
      )) === 'OK',
  }
}

/** Whole milliseconds, at least one: Redis knows no life of none. */
export function toMs(seconds: number): number {
  return Math.max(1, Math.round(seconds * 1000))
}

/** A script's reply of strings and nulls. */
export function parseStrings(reply: unknown): (string | undefined)[] {
  if (!Array.isArray(reply)) throw new OutageError('store', 'a script answered no list')
  return reply.map((value: unknown) => (typeof value === 'string' ? value : undefined))
}
