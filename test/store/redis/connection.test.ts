import { readFile } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { OutageError } from '../../../src/domain/outage.ts'
import { describeRedis } from '../../../src/store/redis/connection.ts'
import { parseInvalidation } from '../../../src/store/redis/invalidations.ts'
import { slotOf } from '../../../src/store/redis/replicas.ts'
import { startRedis, startRedisCluster } from '../../support/redis.ts'
import { waitFor } from '../../support/wait-for.ts'
import { sampleGrant, samplePending, sampleTokens } from '../samples.ts'
import { until } from '../until.ts'
import { type LogLine, type OpenOptions, openRedisStore } from './open.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function begin(options: OpenOptions = {}, args: readonly string[] = []) {
  const redis = await startRedis(args)
  ends.push(redis.stop)
  const open = (more: OpenOptions = {}) => {
    const store = openRedisStore({ url: redis.url }, { ...options, ...more })
    ends.push(store.close)
    return store
  }
  return { redis, open, store: open() }
}

describe('the clock', () => {
  it("is the server's for each replica, however wrong its own", async () => {
    const { open } = await begin()
    const local = () => Date.now() / 1000
    const slow = open({ now: () => local() - 90 })
    const fast = open({ now: () => local() + 3600 })
    await until(
      'both to have asked',
      () => Math.abs(slow.now() - local()) < 0.2 && Math.abs(fast.now() - local()) < 0.2,
    )
    const grant = sampleGrant(fast.now())
    await fast.grants.open(grant, fast.now() + 1)
    expect(await slow.grants.find(grant.grantId)).toEqual(grant)
    const end = slow.now() + 1
    await until('its end', async () => !(await slow.grants.find(grant.grantId)))
    expect(Math.abs(fast.now() - end)).toBeLessThan(0.5)
  })
})

describe('what the server says of itself', () => {
  it('is told with version, eviction and role', async () => {
    const { store } = await begin()
    expect(await describeRedis(store.connection)).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      maxmemoryPolicy: 'noeviction',
      role: 'master',
      memoryUse: undefined,
      connectedReplicas: 0,
    })
  })

  it('is a warning, once, where grants may be evicted', async () => {
    const log: LogLine[] = []
    const { redis, store } = await begin({ log }, ['--maxmemory-policy', 'allkeys-lru'])
    const warnings = () => log.filter(({ maxmemoryPolicy }) => maxmemoryPolicy === 'allkeys-lru')
    await until('the warning', () => warnings().length > 0)
    expect(warnings()[0]).toMatchObject({ level: 'warn' })
    await redis.kill()
    await redis.restart()
    await until('the store', () => store.check().then(() => true))
    await describeRedis(store.connection)
    expect(warnings()).toHaveLength(1)
  })

  it('is no warning where it says nothing', async () => {
    const { redis } = await begin()
    const admin = new Redis(redis.url)
    ends.push(async () => admin.disconnect())
    await admin.call('ACL', 'SETUSER', 'plain', 'on', '>word', '~*', '&*', '+@all', '-info')
    const log: LogLine[] = []
    const access = { username: 'plain', password: 'word' }
    const store = openRedisStore({ url: redis.url }, { log, access })
    ends.push(store.close)
    await until('the store', () => store.check().then(() => true))
    expect(log.filter(({ level }) => level === 'warn')).toEqual([])
  })
})

describe('a login that Redis refuses', () => {
  it('is logged with its reason, and no word of the password', async () => {
    const { redis } = await begin()
    const log: LogLine[] = []
    const access = { username: 'nobody', password: 'a-wrong-word' }
    const store = openRedisStore({ url: redis.url }, { log, access, deadlineMs: 300 })
    ends.push(store.close)
    await expect(store.check()).rejects.toThrow(/check/)
    const lost = log.filter(({ msg }) => msg === 'store lost')
    expect(lost).toHaveLength(1)
    expect(JSON.stringify(lost)).toContain('WRONGPASS')
    expect(JSON.stringify(log)).not.toContain('a-wrong-word')
  })

  it('is the cause of each outage, also where the password was changed under way', async () => {
    const { redis, store } = await begin({ deadlineMs: 300 })
    await until('the store', () => store.check().then(() => true))
    const admin = new Redis(redis.url)
    ends.push(async () => admin.disconnect())
    await admin.call('CONFIG', 'SET', 'requirepass', 'another')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
    await until('the reason', async () => {
      const outage = await store.clients.isDenied('x').catch((error: unknown) => error)
      return outage instanceof OutageError && /NOAUTH/.test(String(outage.cause))
    })
  })
})

describe('a user of Redis', () => {
  it('needs no more rights than docs/storage.md names', async () => {
    const { redis } = await begin()
    const admin = new Redis(redis.url)
    ends.push(async () => admin.disconnect())
    const documented = await readFile('docs/storage.md', 'utf8')
    const [, rights = ''] = /Rights.*?`(~[^`]*)`/s.exec(documented) ?? []
    const rules = rights.replaceAll('<prefix>', 'mcp-auth-gateway:').split(' ')
    await admin.call('ACL', 'SETUSER', 'gateway', 'on', '>word', 'resetchannels', ...rules)
    const log: LogLine[] = []
    const access = { username: 'gateway', password: 'word' }
    const store = openRedisStore({ url: redis.url }, { log, access, waitReplicas: 1 })
    ends.push(store.close)

    let isHeard = false
    store.invalidations.subscribe(() => {
      isHeard = true
    })
    const grant = sampleGrant(store.now())
    await store.grants.open(grant, store.now() + 60)
    const claimed = await store.grants.claimUpstreamRefresh(grant.grantId, 'a')
    const update = { tokens: sampleTokens(store.now()) }
    expect(await store.grants.replaceUpstreamTokens(claimed!.lease, 0, update)).toBe(true)
    expect(await store.grants.listByClient(grant.clientId)).toHaveLength(1)
    await store.authorizations.park('handle', samplePending(), 60)
    expect(await store.authorizations.takePending('handle')).toBeDefined()
    await until('an invalidation', async () => {
      await store.invalidations.publish({ kind: 'lists', backend: '/crm', list: 'tools' })
      return isHeard
    })
    expect((await describeRedis(store.connection)).role).toBe('master')
    expect(JSON.stringify(log)).not.toContain('NOPERM')
  })
})

describe('what comes over the channel', () => {
  it.each([
    ['{"kind":"grant","grantId":"g","change":"revoked"}', true],
    ['{"kind":"lists","backend":"/crm","list":"tools"}', true],
    ['{"kind":"lists","backend":"/crm","list":"grants"}', false],
    ['{"kind":"lists","backend":"/crm"}', false],
    ['{"kind":"grant","grantId":"g","change":"renamed"}', false],
    ['{"kind":"grant","change":"revoked"}', false],
    ['{"kind":"lists"}', false],
    ['{"kind":"other"}', false],
    ['[]', false],
    ['null', false],
    ['not JSON', false],
    ['', false],
  ])('%s is understood: %s', (message, isUnderstood) => {
    expect(parseInvalidation(message)).toEqual(isUnderstood ? JSON.parse(message) : undefined)
  })

  it('does no harm where it is not understood, or where a listener fails', async () => {
    const log: LogLine[] = []
    const { redis, store } = await begin({ log })
    const admin = new Redis(redis.url)
    ends.push(async () => admin.disconnect())
    const heard: unknown[] = []
    store.invalidations.subscribe(() => {
      throw new Error('a listener that fails')
    })
    store.invalidations.subscribe(said => heard.push(said))
    await until('a message', async () => {
      await admin.publish(store.connection.keys.channel, 'not JSON')
      await store.invalidations.publish({ kind: 'lists', backend: '/crm', list: 'tools' })
      return heard.length > 0
    })
    expect(heard[0]).toEqual({ kind: 'lists', backend: '/crm', list: 'tools' })
    expect(log.some(({ msg }) => /listener/.test(msg))).toBe(true)
  })
})

describe('the slot of a grant', () => {
  it('is the one that the cluster says', async () => {
    const { redis } = await begin()
    const cluster = await startRedisCluster()
    ends.push(cluster.stop)
    const node = new Redis(cluster.nodes[0]!.port)
    ends.push(async () => node.disconnect())
    for (const tag of ['a', '123456789', 'VGhpcyBpcyBhIGdyYW50', redis.url]) {
      expect(slotOf(tag)).toBe(await node.cluster('KEYSLOT', `x:{${tag}}:grant`))
    }
  })

  it('confirms writes on a cluster too, which has no replicas here, and says so', async () => {
    const cluster = await startRedisCluster()
    ends.push(cluster.stop)
    const log: LogLine[] = []
    const store = openRedisStore({ cluster: cluster.nodes }, { log, waitReplicas: 1 })
    ends.push(store.close)
    const grant = sampleGrant(store.now())
    // What may have happened is not repeated, so a write does not survive the making of the connection to its node, as a read does.
    await waitFor(async () => (await store.grants.find(grant.grantId)) === undefined, {
      what: 'the node of the grant to be connected',
    })
    await store.grants.open(grant, store.now() + 60)
    expect(await store.grants.find(grant.grantId)).toEqual(grant)
    expect(log.filter(({ msg }) => /replicas did not confirm/.test(msg))).toHaveLength(1)
    const keys = await cluster.keys()
    expect(keys.every(({ ttlMs }) => ttlMs > 0)).toBe(true)
  })
})
