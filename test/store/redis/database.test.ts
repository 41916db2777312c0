/** The database that the configuration names, and no other. */
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { OutageError } from '../../../src/domain/outage.ts'
import type { RedisServers } from '../../../src/store/redis/clients.ts'
import {
  hasRedisSentinel,
  startRedis,
  startRedisSentinel,
  type TestRedis,
} from '../../support/redis.ts'
import { waitFor } from '../../support/wait-for.ts'
import { sampleGrant } from '../samples.ts'
import { until } from '../until.ts'
import { type LogLine, type OpenOptions, openRedisStore } from './open.ts'

const DEADLINE_MS = 300

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function open(servers: RedisServers, options: OpenOptions = {}) {
  const log: LogLine[] = []
  const store = openRedisStore(servers, { deadlineMs: DEADLINE_MS, log, ...options })
  ends.push(store.close)
  return { store, log, connections: () => log.filter(({ msg }) => msg === 'store connected') }
}

async function start(): Promise<{ redis: TestRedis; admin: Redis }> {
  const redis = await startRedis()
  ends.push(redis.stop)
  const admin = new Redis(redis.url)
  ends.push(async () => admin.disconnect())
  return { redis, admin }
}

/** @returns why */
async function expectOutage({ store }: ReturnType<typeof open>): Promise<string> {
  const grant = sampleGrant(store.now())
  const outage: unknown = await store.grants.open(grant, store.now() + 60).catch(error => error)
  if (!(outage instanceof OutageError)) throw new Error('expected an outage')
  expect(outage.dependency).toBe('store')
  return String(outage.cause)
}

describe('a database of Redis', () => {
  it('is the one that the URL names', async () => {
    const { redis, admin } = await start()
    const { store } = open({ url: `${redis.url}/3` }, { waitReplicas: 1 })
    const grant = sampleGrant(store.now())
    await store.grants.open(grant, store.now() + 60)
    expect(await store.grants.find(grant.grantId)).toEqual(grant)
    expect(await admin.dbsize()).toBe(0)
    await admin.select(3)
    expect(await admin.dbsize()).toBeGreaterThan(0)
  })

  it('that does not exist is an outage with that reason, for as long as it does not', async () => {
    const { redis } = await start()
    const opened = open({ url: `${redis.url}/99` }, { waitReplicas: 1 })
    for (let times = 0; times < 3; times += 1) {
      expect(await expectOutage(opened)).toContain('DB index is out of range')
    }
    await expect(opened.store.check()).rejects.toThrow(OutageError)
    expect(opened.connections()).toEqual([])
    const lost = opened.log.filter(({ msg }) => msg === 'store lost')
    expect(lost).toHaveLength(1)
    expect(JSON.stringify(lost)).toContain('DB index is out of range')
    expect(await redis.keys()).toEqual([])
  })

  it('that the user may not select is an outage, until the user may', async () => {
    const { redis, admin } = await start()
    const rules = ['on', '>word', '~*', '&*', '+@all', '-select']
    await admin.call('ACL', 'SETUSER', 'bound', ...rules)
    const access = { username: 'bound', password: 'word' }
    const opened = open({ url: `${redis.url}/3` }, { access })
    expect(await expectOutage(opened)).toContain("no permissions to run the 'select' command")
    expect(opened.connections()).toEqual([])
    expect(await redis.keys()).toEqual([])
    await admin.call('ACL', 'SETUSER', 'bound', '+select')
    await until('the store', () => opened.store.check().then(() => true))
    expect(opened.connections()).toHaveLength(1)
  })

  it('is selected again by each new connection, or there is none', async () => {
    const { redis, admin } = await start()
    await admin.call('ACL', 'SETUSER', 'bound', 'on', '>word', '~*', '&*', '+@all')
    const access = { username: 'bound', password: 'word' }
    const opened = open({ url: `${redis.url}/3` }, { access })
    await until('the store', () => opened.store.check().then(() => true))
    await admin.call('ACL', 'SETUSER', 'bound', '-select')
    await admin.call('CLIENT', 'KILL', 'USER', 'bound')
    await until('the reason', async () => /'select'/.test(await expectOutage(opened)))
    expect(await redis.keys()).toEqual([])
  })

  it('is no other for what waits for replicas, on its own connection', async () => {
    const { redis, admin } = await start()
    await admin.call('ACL', 'SETUSER', 'bound', 'on', '>word', '~*', '&*', '+@all')
    const access = { username: 'bound', password: 'word' }
    const { store } = open({ url: `${redis.url}/3` }, { access, waitReplicas: 1, deadlineMs: 1000 })
    const openGrant = async () =>
      store.grants.open(sampleGrant(store.now()), store.now() + 60).then(() => redis.keys())
    const findWaiting = async () => {
      await openGrant()
      const clients = String(await admin.client('LIST')).split('\n')
      return /^id=(\d+) /.exec(clients.find(line => line.includes('cmd=wait')) ?? '')?.[1]
    }
    const id = await waitFor(findWaiting, { what: 'the connection that waits' })
    await admin.call('ACL', 'SETUSER', 'bound', '-select')
    await admin.client('KILL', 'ID', Number(id))
    const refusals = async () => (await admin.call('ACL', 'LOG')) as unknown[]
    await until('its database to be refused', async () => (await refusals()).length > 0)
    for (let times = 0; times < 10; times += 1) expect(await openGrant()).toEqual([])
  })

  it.skipIf(!hasRedisSentinel())('is no other with sentinels either', async () => {
    const redis = await startRedisSentinel()
    ends.push(redis.stop)
    const { sentinels, name } = redis
    const opened = open({ sentinels, name }, { access: { db: 99 } })
    await until('the reason', async () =>
      (await expectOutage(opened)).includes('DB index is out of range'),
    )
    expect(opened.connections()).toEqual([])
    expect(await redis.keys()).toEqual([])
  })
})
