/** Redis that is gone, silent, or not yet there: an outage for each operation, within its deadline, and no longer than it lasts. */
import { afterEach, describe, expect, it } from 'vitest'
import { OutageError } from '../../../src/domain/outage.ts'
import { createId, createSecret, digest } from '../../../src/domain/secret.ts'
import type { Store } from '../../../src/store/port.ts'
import type { RedisServers } from '../../../src/store/redis/clients.ts'
import { startLossyProxy } from '../../support/lossy-proxy.ts'
import { type RedisProcesses, startRedis, startRedisCluster } from '../../support/redis.ts'
import { sampleCode, sampleGrant, samplePending, sampleTokens } from '../samples.ts'
import { until } from '../until.ts'
import { type LogLine, openRedisStore } from './open.ts'

const DEADLINE_MS = 400
/** For a busy machine; far from a hang. */
const SLACK_MS = 600

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function open(servers: RedisServers, log: LogLine[] = []): Store {
  const store = openRedisStore(servers, { deadlineMs: DEADLINE_MS, log })
  ends.push(store.close)
  return store
}

async function start<T extends RedisProcesses>(redis: Promise<T>): Promise<T> {
  const started = await redis
  ends.push(started.stop)
  return started
}

/** Each operation of the port. */
function operations(store: Store): Record<string, () => Promise<unknown>> {
  const { clients, authorizations, grants, replay, invalidations } = store
  const grant = sampleGrant(store.now())
  const { grantId } = grant
  const lease = { grantId, owner: 'a' }
  const first = { generation: 0, kid: 'k1' }
  const end = store.now() + 60
  const { issuer, subject } = grant.identity
  return {
    isDenied: () => clients.isDenied('x'),
    deny: () => clients.deny('x'),
    lift: () => clients.lift('x'),
    park: () => authorizations.park(createSecret(), samplePending(), 60),
    takePending: () => authorizations.takePending(createSecret()),
    issueCode: () => authorizations.issueCode(createSecret(), sampleCode(), 60),
    takeCode: () => authorizations.takeCode(createSecret()),
    open: () => grants.open(grant, end),
    activate: () => grants.activate(grantId, first, end),
    find: () => grants.find(grantId),
    rotateRefreshToken: () => grants.rotateRefreshToken(grantId, first, 'k1', end),
    revoke: () => grants.revoke(grantId),
    revokeSubject: () => grants.revokeSubject(issuer, subject),
    revokeClient: () => grants.revokeClient(grant.clientId),
    listBySubject: () => grants.listBySubject(issuer, subject),
    listByClient: () => grants.listByClient(grant.clientId),
    claimUpstreamRefresh: () => grants.claimUpstreamRefresh(grantId, 'a'),
    renewLease: () => grants.renewLease(lease),
    releaseLease: () => grants.releaseLease(lease),
    replaceUpstreamTokens: () =>
      grants.replaceUpstreamTokens(lease, 0, { tokens: sampleTokens(store.now()) }),
    markDead: () => grants.markDead(lease, 0, { error: 'invalid_grant', at: 1 }),
    markUsed: () => replay.markUsed(createId(), end),
    publish: () => invalidations.publish({ kind: 'lists', backend: '/x', list: 'tools' }),
    check: () => store.check(),
  }
}

async function expectOutage(store: Store): Promise<void> {
  const results = await Promise.all(
    Object.entries(operations(store)).map(async ([name, run]) => {
      const startedAt = performance.now()
      const failure = await run().then(
        () => 'answered',
        (error: unknown) => error,
      )
      return { name, failure, tookMs: performance.now() - startedAt }
    }),
  )
  for (const { name, failure, tookMs } of results) {
    expect(failure, name).toBeInstanceOf(OutageError)
    expect(failure, name).toMatchObject({ dependency: 'store' })
    expect(tookMs, name).toBeLessThan(DEADLINE_MS + SLACK_MS)
  }
}

async function expectService(store: Store): Promise<void> {
  await until('the store to answer', async () => {
    await store.check()
    return true
  })
  const entries = Object.entries(operations(store))
  // One after the other, so that a failure names its operation.
  for (const [name, run] of entries) {
    await until(name, async () => {
      await run()
      return true
    })
  }
}

describe.each([
  [
    'a single server',
    async () => {
      const redis = await start(startRedis())
      return { redis, servers: { url: redis.url } }
    },
  ],
  [
    'a cluster',
    async () => {
      const redis = await start(startRedisCluster())
      return { redis, servers: { cluster: redis.nodes } }
    },
  ],
] as const)('%s that fails', (_name, begin) => {
  it('is an outage while it is gone, and serves again when it is back', async () => {
    const { redis, servers } = await begin()
    const store = open(servers)
    await expectService(store)
    await redis.kill()
    await expectOutage(store)
    await expectOutage(store)
    await redis.restart()
    await expectService(store)
  })

  it('is an outage while it is silent, and serves again when it answers', async () => {
    const { redis, servers } = await begin()
    const store = open(servers)
    await expectService(store)
    await redis.pause(2 * DEADLINE_MS + 1000)
    await expectOutage(store)
    await expectService(store)
  })

  it('is an outage while it has not started, and serves when it has', async () => {
    const { redis, servers } = await begin()
    await redis.kill()
    const store = open(servers)
    await expectOutage(store)
    await redis.restart()
    await expectService(store)
  })

  it('tells invalidations again when it is back', async () => {
    const { redis, servers } = await begin()
    const [store, other] = [open(servers), open(servers)]
    let heard = 0
    other.invalidations.subscribe(() => {
      heard += 1
    })
    const hear = (): Promise<void> => {
      heard = 0
      return until('an invalidation', async () => {
        await store.invalidations.publish({ kind: 'lists', backend: '/x', list: 'tools' })
        return heard > 0
      })
    }
    await hear()
    await redis.kill()
    await redis.restart()
    await hear()
  })

  it('is logged once when it is lost and once when it is back, not at each attempt', async () => {
    const { redis, servers } = await begin()
    const log: LogLine[] = []
    const store = open(servers, log)
    expect(log).toEqual([])
    await expectService(store)
    await redis.kill()
    for (let round = 0; round < 3; round++) await expectOutage(store)
    await redis.restart()
    await expectService(store)
    const changes = log.map(({ msg }) => msg).filter(msg => /^store /.test(msg))
    expect(changes).toEqual(['store connected', 'store lost', 'store connected'])
  })
})

describe('an operation that was refused because the connection was lost', () => {
  it('is not done later: a code stays unspent', async () => {
    const redis = await start(startRedis())
    const proxy = await startLossyProxy(redis.port)
    const store = open({ url: `redis://127.0.0.1:${proxy.port}` })
    await expectService(store)
    const [code, record] = [createSecret(), sampleCode()]
    await store.authorizations.issueCode(code, record, 60)
    await proxy.close()
    await expect(store.authorizations.takeCode(code)).rejects.toThrow(OutageError)
    const again = await startLossyProxy(redis.port, proxy.port)
    ends.push(again.close)
    await expectService(store)
    const redemption = { outcome: 'redeemed', code: record }
    expect(await store.authorizations.takeCode(code)).toEqual(redemption)
  })
})

describe('an answer that is lost after the operation was done', () => {
  async function beginLossy() {
    const redis = await start(startRedis())
    const proxy = await startLossyProxy(redis.port)
    ends.push(proxy.close)
    const store = open({ url: `redis://127.0.0.1:${proxy.port}` })
    await expectService(store)
    const grant = sampleGrant(store.now())
    const end = store.now() + 60
    await store.grants.open(grant, end)
    await store.grants.activate(grant.grantId, { generation: 0, kid: 'k1' }, end)
    return { proxy, store, grant, end }
  }

  it('is asked for again for new upstream tokens, which were written once', async () => {
    const { proxy, store, grant } = await beginLossy()
    const claimed = await store.grants.claimUpstreamRefresh(grant.grantId, 'a')
    const update = { tokens: sampleTokens(store.now()) }
    proxy.loseAnswerTo(grant.grantId)
    expect(await store.grants.replaceUpstreamTokens(claimed!.lease, 0, update)).toBe(true)
    expect(proxy.lost).toBe(1)
    const expected = { ...grant, upstreamTokens: update.tokens, version: 1 }
    expect(await store.grants.find(grant.grantId)).toEqual(expected)
    const late = { tokens: sampleTokens(store.now()) }
    expect(await store.grants.replaceUpstreamTokens(claimed!.lease, 0, late)).toBe(false)
  })

  it('is asked for again for a rotation, which happened once', async () => {
    const { proxy, store, grant, end } = await beginLossy()
    const first = { generation: 0, kid: 'k1' }
    proxy.loseAnswerTo(grant.grantId)
    const rotation = await store.grants.rotateRefreshToken(grant.grantId, first, 'k2', end)
    expect(proxy.lost).toBe(1)
    const successor = { generation: 1, kid: 'k2' }
    expect(rotation).toEqual({ outcome: 'repeated', successor })
  })

  it('is asked for again for a revocation, which happened once and says what it ended', async () => {
    const { proxy, store, grant } = await beginLossy()
    proxy.loseAnswerTo(grant.grantId)
    expect(await store.grants.revoke(grant.grantId)).toEqual(grant)
    expect(proxy.lost).toBe(1)
    expect(await store.grants.find(grant.grantId)).toBeUndefined()
    expect(await store.grants.revoke(grant.grantId)).toBeUndefined()
  })

  it('is an outage for what may happen only once, and never taken for a replay', async () => {
    const { proxy, store, grant } = await beginLossy()
    const [code, handle, id] = [createSecret(), createSecret(), createId()]
    const record = sampleCode()
    await store.authorizations.issueCode(code, record, 60)
    await store.authorizations.park(handle, samplePending(), 60)
    const once: [string, () => Promise<unknown>][] = [
      [digest(code), () => store.authorizations.takeCode(code)],
      [digest(handle), () => store.authorizations.takePending(handle)],
      [digest(id), () => store.replay.markUsed(id, store.now() + 60)],
      [grant.grantId, () => store.grants.claimUpstreamRefresh(grant.grantId, 'a')],
    ]
    for (const [n, [text, run]] of once.entries()) {
      proxy.loseAnswerTo(text)
      await expect(run(), text).rejects.toThrow(OutageError)
      expect(proxy.lost).toBe(n + 1)
    }
    const replay = { outcome: 'replayed', grantId: record.grantId }
    expect(await store.authorizations.takeCode(code)).toEqual(replay)
  })
})
