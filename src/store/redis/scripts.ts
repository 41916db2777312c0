/**
 * One script per operation that is more than one command. All keys of a script carry the same `{grantId}` tag, so they run on Redis Cluster. Times come from the
 * server's clock, so all replicas agree on a grace window. A script that answers `false` answers null.
 */
import type { ClientContext, Result } from 'ioredis'

const NOW_MS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// A grant never outlives its entries in the lists of its subject and its client: what cannot be listed cannot be revoked.
const EXTEND = `
local function extend(grant, until_ms)
  local latest = redis.call('HGET', grant, 'latestEnd')
  redis.call('PEXPIREAT', grant, string.format('%d', math.min(tonumber(until_ms), tonumber(latest))))
end
`

/** ARGV: sealed record, grant id, life in ms. */
const ISSUE_CODE = `
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'grantId', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`

/** The first caller gets the record and leaves a tombstone that names the grant. ARGV: life of the tombstone in ms. */
const TAKE_CODE = `
local grant_id = redis.call('HGET', KEYS[1], 'grantId')
if not grant_id then return {'unknown'} end
local record = redis.call('HGET', KEYS[1], 'record')
if not record then return {'replayed', grant_id} end
redis.call('HDEL', KEYS[1], 'record')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {'redeemed', record}
`

/** Adds a grant to a list, drops those that have ended, and lets the list live as long as its last. ARGV: grant id, its end in ms. */
const ADD_TO_LIST = `${NOW_MS}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%d', tonumber(last[2])))
return 1
`

const READ_LIST = `${NOW_MS}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
`

/** KEYS: grant. ARGV: its end in ms, then fields and values. */
const OPEN_GRANT = `${EXTEND}
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
extend(KEYS[1], ARGV[1])
return 1
`

/** KEYS: grant. ARGV: generation, key id, end in ms. */
const ACTIVATE_GRANT = `${EXTEND}
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'active', '1', 'generation', ARGV[1], 'kid', ARGV[2])
extend(KEYS[1], ARGV[3])
return 1
`

/**
 * A presented generation above the newest is one that a failover lost; its token is genuine, so the grant moves on from it. The grace of a token ends when its
 * successor is used, because the newest generation moves on then.
 *
 * KEYS: grant. ARGV: presented generation, key id of the successor, grace in ms, end in ms.
 */
const ROTATE_REFRESH_TOKEN = `${NOW_MS}${EXTEND}
local grant = redis.call('HMGET', KEYS[1], 'active', 'generation', 'kid', 'graceUntil')
if grant[1] ~= '1' then return {'unknown'} end
local presented, newest = tonumber(ARGV[1]), tonumber(grant[2])
if presented < newest then
  local in_grace = presented == newest - 1 and grant[4] and now < tonumber(grant[4])
  if not in_grace then return {'replayed'} end
  extend(KEYS[1], ARGV[4])
  return {'repeated', grant[2], grant[3]}
end
local successor = string.format('%d', presented + 1)
redis.call('HSET', KEYS[1], 'generation', successor, 'kid', ARGV[2], 'graceUntil', now + ARGV[3])
extend(KEYS[1], ARGV[4])
return {'rotated', successor, ARGV[2]}
`

/**
 * What the grant was is kept for a moment, for whoever revoked it: one that asks again because the answer was lost is known by its id, and answered as the first time.
 *
 * KEYS: grant, lease, what it was. ARGV: revocation id, that moment in ms, channel, message, then the fields to answer.
 */
const REVOKE_GRANT = `
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('HSET', KEYS[3], 'revocationId', ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
  redis.call('DEL', KEYS[2])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
elseif redis.call('HGET', KEYS[3], 'revocationId') ~= ARGV[1] then
  return false
end
return redis.call('HMGET', KEYS[3], unpack(ARGV, 5))
`

/** KEYS: grant, lease. ARGV: owner, lease in ms, then the fields to answer. */
const CLAIM_LEASE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
`

/** KEYS: lease. ARGV: owner, lease in ms. */
const RENEW_LEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`

/** KEYS: lease. ARGV: owner. */
const RELEASE_LEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`

/**
 * Writes what the upstream said: only for the owner of the lease, only if nobody wrote since, only while the grant exists. A write that is repeated because its
 * answer was lost is known by its id and answered as the first time.
 *
 * KEYS: grant, lease. ARGV: owner, seen version, write id, end in ms or '', channel, message, then fields and values.
 */
const WRITE_UNDER_LEASE = `${EXTEND}
local grant = redis.call('HMGET', KEYS[1], 'version', 'writeId')
if not grant[1] then return 0 end
if grant[2] == ARGV[3] then return 1 end
if grant[1] ~= ARGV[2] or redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'dead')
redis.call('HSET', KEYS[1], 'writeId', ARGV[3], unpack(ARGV, 7))
if ARGV[4] ~= '' then extend(KEYS[1], ARGV[4]) end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
`

/** Replaces a sealed field by the same content under a newer key, unless it has changed meanwhile. KEYS: grant. ARGV: field, old value, new value. */
const RESEAL_FIELD = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
`

export const SCRIPTS = {
  issueCode: { lua: ISSUE_CODE, numberOfKeys: 1 },
  takeCode: { lua: TAKE_CODE, numberOfKeys: 1 },
  addToList: { lua: ADD_TO_LIST, numberOfKeys: 1 },
  readList: { lua: READ_LIST, numberOfKeys: 1 },
  openGrant: { lua: OPEN_GRANT, numberOfKeys: 1 },
  activateGrant: { lua: ACTIVATE_GRANT, numberOfKeys: 1 },
  rotateRefreshToken: { lua: ROTATE_REFRESH_TOKEN, numberOfKeys: 1 },
  revokeGrant: { lua: REVOKE_GRANT, numberOfKeys: 3 },
  claimLease: { lua: CLAIM_LEASE, numberOfKeys: 2 },
  renewLease: { lua: RENEW_LEASE, numberOfKeys: 1 },
  releaseLease: { lua: RELEASE_LEASE, numberOfKeys: 1 },
  writeUnderLease: { lua: WRITE_UNDER_LEASE, numberOfKeys: 2 },
  resealField: { lua: RESEAL_FIELD, numberOfKeys: 1 },
}

type ScriptCommands<Context extends ClientContext> = {
  [Name in keyof typeof SCRIPTS]: (...keysAndArguments: string[]) => Result<unknown, Context>
}

declare module 'ioredis' {
  interface RedisCommander<Context> extends ScriptCommands<Context> {}
}
