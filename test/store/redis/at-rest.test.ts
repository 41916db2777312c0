/** What lies in Redis, as somebody would find it who can read or write there. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Grant, NO_UPSTREAM } from '../../../src/domain/grant.ts'
import { createKeyRing } from '../../../src/domain/key-ring.ts'
import { OutageError } from '../../../src/domain/outage.ts'
import { createId, createSecret } from '../../../src/domain/secret.ts'
import type { Store } from '../../../src/store/port.ts'
import { startRedis, type TestRedis } from '../../support/redis.ts'
import { sampleCode, sampleGrant, samplePending, sampleTokens } from '../samples.ts'
import { NEW_KEY, OLD_KEY, openRedisStore } from './open.ts'

const PREFIX = 'mcp-auth-gateway:'

let redis: TestRedis
let client: Redis
const opened: Store[] = []
const openStore = (ring = createKeyRing([OLD_KEY])) => {
  const store = openRedisStore({ url: redis.url }, { ring })
  opened.push(store)
  return store
}

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
})
afterAll(async () => {
  for (const store of opened) await store.close()
  client.disconnect()
  await redis.stop()
})

async function openGrant(store: Store, changes: Partial<Grant> = {}): Promise<Grant> {
  const grant = sampleGrant(store.now(), changes)
  await store.grants.open(grant, store.now() + 60)
  return grant
}

/** One of everything that the store can hold, with all secrets that went into it. */
async function fill(store: Store): Promise<string[]> {
  const [handle, spent, left] = [createSecret(), createSecret(), createSecret()]
  const pending = samplePending()
  const now = store.now()
  const grant = sampleGrant(now)
  const tokens = sampleTokens(now)
  const assertionId = createSecret()
  const death = { error: 'interaction_required', at: now, claims: createSecret() }

  await store.authorizations.park(handle, pending, 60)
  await store.authorizations.issueCode(left, sampleCode(), 60)
  await store.authorizations.issueCode(spent, sampleCode(), 60)
  await store.authorizations.takeCode(spent)
  await store.grants.open(grant, now + 60)
  await store.grants.activate(grant.grantId, { generation: 0, kid: 'k1' }, now + 60)
  const first = { generation: 0, kid: 'k1' }
  await store.grants.rotateRefreshToken(grant.grantId, first, 'k1', now + 60)
  const claimed = await store.grants.claimUpstreamRefresh(grant.grantId, createId())
  await store.grants.replaceUpstreamTokens(claimed!.lease, 0, { tokens })
  await store.grants.markDead(claimed!.lease, 1, death)
  await store.replay.markUsed(assertionId, now + 60)
  await store.clients.deny(grant.clientId)
  return [
    ...[handle, spent, left, assertionId, death.claims],
    ...[pending.request.state!, pending.codeVerifier, pending.nonce, pending.browserDigest],
    ...[pending.request.codeChallenge, pending.request.clientId],
    ...[grant.upstreamTokens.accessToken, grant.upstreamTokens.refreshToken!],
    ...[tokens.accessToken, tokens.refreshToken!],
    ...[grant.identity.subject, grant.identity.email!, grant.clientId],
  ]
}

describe('what lies in Redis', () => {
  it('shows none of the secrets that went in, nor whom they belong to', async () => {
    await client.flushall()
    const secrets = await fill(openStore())
    const dump = await redis.dump()
    expect(dump).toContain(`${PREFIX}pending:`)
    expect(dump).toContain(`${PREFIX}code:`)
    expect(dump.split('\n').length).toBeGreaterThanOrEqual(9)
    for (const secret of secrets) {
      expect(dump).not.toContain(secret)
      expect(dump).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''))
    }
  })

  it('has an end for every key but the denied clients, and none beyond what it holds', async () => {
    await client.flushall()
    await fill(openStore())
    const keys = await redis.keys()
    const lists = /:(subject|client):/
    for (const { key, ttlMs } of keys) {
      if (key === `${PREFIX}denied-clients`) continue
      expect(ttlMs, key).toBeGreaterThan(0)
      const longest = lists.test(key) ? 90 * 24 * 3600 : key.includes(':code:') ? 600 : 60
      expect(ttlMs, key).toBeLessThanOrEqual(longest * 1000 + 1000)
    }
    expect(new Set(keys.map(({ key }) => key.replace(/:[^:]{43}$|\{.*\}/, '')))).toEqual(
      new Set([
        ...['pending', 'code', 'subject', 'client', 'jti'].map(name => `${PREFIX}${name}`),
        ...[`${PREFIX}:grant`, `${PREFIX}:lease`, `${PREFIX}denied-clients`],
      ]),
    )
  })

  it('names a grant that cannot be prolonged in no list beyond its end', async () => {
    await client.flushall()
    const store = openStore()
    const now = store.now()
    const upstreamTokens = { accessToken: '', issuedAt: now, expiresAt: now + 60 }
    await store.grants.open(sampleGrant(now, { upstream: NO_UPSTREAM, upstreamTokens }), now + 60)
    const keys = await redis.keys()
    expect(keys).toHaveLength(3)
    for (const { key, ttlMs } of keys) expect(ttlMs, key).toBeLessThanOrEqual(61_000)
  })

  it('does not open under another key', async () => {
    const store = openStore()
    const [mine, foreign] = [createSecret(), createSecret()]
    await store.authorizations.park(mine, samplePending(), 60)
    const before = new Set(await client.keys(`${PREFIX}pending:*`))
    await store.authorizations.park(foreign, samplePending(), 60)
    const added = (await client.keys(`${PREFIX}pending:*`)).find(key => !before.has(key))
    for (const key of before) await client.copy(key, added!, 'REPLACE')
    await expect(store.authorizations.takePending(foreign)).rejects.toThrow(/changed or moved/)
  })

  it('does not open where parts of two grants, or of one, are exchanged', async () => {
    const store = openStore()
    const [victim, thief] = [sampleGrant(store.now()), sampleGrant(store.now())]
    for (const grant of [victim, thief]) await store.grants.open(grant, store.now() + 60)
    const keyOf = (grantId: string) => `${PREFIX}{${grantId}}:grant`
    const tokens = await client.hget(keyOf(victim.grantId), 'tokens')
    await client.hset(keyOf(thief.grantId), { tokens: tokens! })
    await expect(store.grants.find(thief.grantId)).rejects.toThrow(OutageError)
    await client.hset(keyOf(victim.grantId), { identity: tokens! })
    await expect(store.grants.find(victim.grantId)).rejects.toThrow(OutageError)
  })

  it('is an outage and no "not found" where its key has left the ring, which is named', async () => {
    const [store, stranger] = [openStore(), openStore(createKeyRing([NEW_KEY]))]
    const [kid] = createKeyRing([OLD_KEY]).kids
    const [grant, code] = [sampleGrant(store.now()), createSecret()]
    await store.grants.open(grant, store.now() + 60)
    await store.authorizations.issueCode(code, sampleCode(), 60)
    for (const attempt of [
      () => stranger.grants.find(grant.grantId),
      () => stranger.grants.claimUpstreamRefresh(grant.grantId, 'a'),
      () => stranger.grants.listByClient(grant.clientId),
      () => stranger.authorizations.takeCode(code),
    ]) {
      const failure = await attempt().catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(OutageError)
      expect(failure).toMatchObject({ dependency: 'store' })
      expect(String(failure)).toContain(kid)
    }
    expect(await store.grants.find(grant.grantId)).toEqual(grant)
  })

  it('ends a grant that does not open, and says which key it lacks', async () => {
    const [store, stranger] = [openStore(), openStore(createKeyRing([NEW_KEY]))]
    const [kid] = createKeyRing([OLD_KEY]).kids
    const { grantId } = await openGrant(store)
    const ended = await stranger.grants.revoke(grantId)
    expect(ended).toEqual({ grantId, unopened: expect.any(OutageError) })
    expect(String((ended as { unopened: unknown }).unopened)).toContain(kid)
    expect(await store.grants.find(grantId)).toBeUndefined()
    expect(await stranger.grants.revoke(grantId)).toBeUndefined()
  })

  it('keeps no grant of a subject from ending where it does not open', async () => {
    const [store, stranger] = [openStore(), openStore(createKeyRing([NEW_KEY]))]
    const locked = await openGrant(store)
    const open = await openGrant(stranger, { identity: locked.identity })
    const { issuer, subject } = locked.identity
    const { ended, failures } = await stranger.grants.revokeSubject(issuer, subject)
    expect(failures).toEqual([])
    expect(ended).toHaveLength(2)
    expect(ended).toContainEqual(open)
    expect(ended).toContainEqual({
      grantId: locked.grantId,
      unopened: expect.any(OutageError),
    })
    for (const { grantId } of [locked, open]) {
      expect(await store.grants.find(grantId)).toBeUndefined()
    }
  })

  it('ends the grants of a client beside one that cannot be ended, which it names', async () => {
    const store = openStore()
    const broken = await openGrant(store)
    const sound = await openGrant(store, { clientId: broken.clientId })
    await client.set(`${PREFIX}{${broken.grantId}}:grant`, 'not a grant')
    expect(await store.grants.revokeClient(broken.clientId)).toEqual({
      ended: [sound],
      failures: [{ grantId: broken.grantId, error: expect.any(OutageError) }],
    })
  })

  it('opens with the old key, and is sealed with the new one at the next refresh', async () => {
    const store = openStore()
    const grant = sampleGrant(store.now())
    await store.grants.open(grant, store.now() + 60)

    const both = openStore(createKeyRing([NEW_KEY, OLD_KEY]))
    expect(await both.grants.find(grant.grantId)).toEqual(grant)
    const claimed = await both.grants.claimUpstreamRefresh(grant.grantId, 'a')
    const tokens = sampleTokens(both.now())
    expect(await both.grants.replaceUpstreamTokens(claimed!.lease, 0, { tokens })).toBe(true)

    const fresh = openStore(createKeyRing([NEW_KEY]))
    const expected = { ...grant, upstreamTokens: tokens, version: 1 }
    expect(await fresh.grants.find(grant.grantId)).toEqual(expected)
    await expect(store.grants.find(grant.grantId)).rejects.toThrow(OutageError)
  })

  it('is kept apart by its prefix, which may not change the hash tags', async () => {
    const other = openRedisStore({ url: redis.url }, { keyPrefix: 'another:' })
    opened.push(other)
    const store = openStore()
    const grant = sampleGrant(store.now())
    await store.grants.open(grant, store.now() + 60)
    expect(await other.grants.find(grant.grantId)).toBeUndefined()
    expect(() => openRedisStore({ url: redis.url }, { keyPrefix: '{one}:' })).toThrow(RangeError)
  })
})
