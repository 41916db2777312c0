import { describe, expect, it } from 'vitest'
import { eventually } from '../support.ts'
import { namesIn, read, setUp } from './house.ts'

const MINUTE = 60_000

describe('MCP 2026-07-28, "Time-to-Live": an answer', () => {
  it('is fresh until its life is over, to the millisecond', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += MINUTE - 1
    await house.list('alice')
    expect(house.count()).toBe(1)
    house.time.ms += 1
    await house.list('alice')
    expect(house.count()).toBe(2)
  })

  it('is given with what is left of its life, and with its age', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += 12_345
    const reply = await house.list('carol')
    expect(read(reply).result.ttlMs).toBe(MINUTE - 12_345)
    expect(reply.headers).toMatchObject({ age: '12', 'content-type': 'application/json' })
  })

  it('ages from the moment it was asked for', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const first = house.list('alice')
    await eventually(() => house.held.length === 1, 'the backend is asked')
    house.time.ms += 2000
    house.release()
    await first
    expect(read(await house.list('carol')).result.ttlMs).toBe(MINUTE - 2000)
  })

  it('is asked for again after ten minutes, whatever life it was promised', async () => {
    const house = await setUp({ script: { ttlMs: 100 * MINUTE } })
    await house.list('alice')
    house.time.ms += 10 * MINUTE - 1
    expect(read(await house.list('alice')).result.ttlMs).toBe(90 * MINUTE + 1)
    house.time.ms += 1
    await house.list('alice')
    expect(house.count()).toBe(2)
  })

  it.each([
    ['says nothing of its type', { result: { resultType: undefined } }],
    ['asks its client something', { result: { resultType: 'input_required', inputRequests: {} } }],
    ['is of a type that nobody knows', { result: { resultType: 'partial' } }],
    ['has the state of a conversation', { result: { requestState: 'x' } }],
    ['is out of date at once', { ttlMs: 0 }],
    ['must not be stored', { fields: { 'cache-control': 'no-store' } }],
    ['varies by user', { fields: { vary: 'authorization' } }],
  ])('is not kept where it %s', async (_, script) => {
    const house = await setUp({ script })
    for (let round = 0; round < 3; round += 1) await house.list('alice')
    expect(house.count()).toBe(3)
    expect(house.gateway.proxy.state().lists.entries).toBe(0)
  })

  it('is not kept where it is larger than a mebibyte, and passes whole', async () => {
    const house = await setUp({ script: { tools: ['x'.repeat(1_100_000)] } })
    for (let round = 0; round < 2; round += 1) {
      expect(namesIn(await house.list('alice'))[0]).toHaveLength(1_100_000)
    }
    expect(house.count()).toBe(2)
  })

  it('is asked for without a coding, so that it can be read', async () => {
    const house = await setUp()
    await house.list('alice', { headers: { 'accept-encoding': 'gzip' } })
    expect(house.backend.field('accept-encoding')).toBe('identity')
  })
})

describe('MCP 2026-07-28, "Interaction with Notifications": a change', () => {
  it.each(['POST', 'GET'] as const)(
    'that a stream of %s tells makes it be asked for anew',
    async method => {
      const house = await setUp()
      const stream = await house.listen('bob', method)
      await house.list('alice')
      house.script.tools = ['read', 'write']
      await stream.change('tools')
      expect(namesIn(await house.list('alice'))).toEqual(['read', 'write'])
      expect(house.counted).toEqual(['miss', 'tools changed', 'miss'])
      stream.close()
    },
  )

  it('of one list leaves the others as they are', async () => {
    const house = await setUp()
    const stream = await house.listen('bob', 'POST')
    const methods = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']
    const askAll = async () => {
      for (const method of methods) await house.list('alice', { method })
    }
    await askAll()
    await stream.change('resources')
    await askAll()
    expect(house.count()).toBe(methods.length + 2)
    const again = house.backend.seen.filter(({ body }) => body.includes('"resources/'))
    expect(again).toHaveLength(4)
    stream.close()
  })

  it('while an answer is on its way keeps it from being kept', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const stream = await house.listen('bob', 'POST')
    const first = house.list('alice')
    await eventually(() => house.held.length === 1, 'the backend is asked')
    await stream.change('tools')
    const second = house.list('carol')
    await eventually(() => house.held.length === 2, 'the second does not wait for the first')
    house.held.shift()?.()
    await first
    house.script.tools = ['write']
    house.release()
    expect(namesIn(await second)).toEqual(['write'])
    expect(namesIn(await house.list('alice'))).toEqual(['write'])
    expect(house.count()).toBe(2)
    stream.close()
  })

  it('is told to other replicas, and heard from them', async () => {
    const house = await setUp()
    const told: unknown[] = []
    house.invalidations.subscribe(said => void told.push(said))
    const stream = await house.listen('bob', 'POST')
    await stream.change('tools')
    await eventually(() => told.length > 0, 'it is told')
    expect(told).toEqual([{ kind: 'lists', backend: '/crm/mcp', list: 'tools' }])
    await house.list('alice')
    await house.invalidations.publish({ kind: 'lists', backend: '/wiki/mcp', list: 'tools' })
    await house.invalidations.publish({ kind: 'lists', backend: '/crm/mcp', list: 'prompts' })
    await house.list('alice')
    expect(house.count()).toBe(1)
    await house.invalidations.publish({ kind: 'lists', backend: '/crm/mcp', list: 'tools' })
    await house.list('alice')
    expect(house.count()).toBe(2)
    stream.close()
  })
})

describe('MCP 2026-07-28, "Freshness": a backend that fails', () => {
  it('is stood in for by what it said last, as old as it is', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += 2 * MINUTE
    house.script.status = 503
    const reply = await house.list('alice')
    expect(reply.status).toBe(200)
    expect(read(reply).result.ttlMs).toBe(0)
    expect(reply.headers.age).toBe('120')
    expect(house.counted).toEqual(['miss', 'stale'])
  })

  it('is stood in for where it cannot be reached at all', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += 2 * MINUTE
    house.backend.close()
    expect(namesIn(await house.list('alice'))).toEqual(['read', 'export_csv'])
    expect(namesIn(await house.list('bob'))).toEqual(['read'])
    expect(house.gateway.log).toContainEqual(
      expect.objectContaining({ msg: 'answered with a stale list', backend: '/crm/mcp' }),
    )
  })

  it('is not stood in for to those who are not let in any more', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += 2 * MINUTE
    house.backend.close()
    house.gone.add('grant-alice')
    expect((await house.list('alice')).status).toBe(401)
  })

  it('is not stood in for by what was private to another', async () => {
    const house = await setUp({ script: { cacheScope: 'private' } })
    await house.list('alice')
    house.time.ms += 2 * MINUTE
    house.script.status = 503
    expect((await house.list('alice')).status).toBe(200)
    expect((await house.list('carol')).status).toBe(503)
  })

  it('is not stood in for after ten minutes', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += MINUTE + 10 * MINUTE
    house.script.status = 503
    expect((await house.list('alice')).status).toBe(503)
  })

  it('is not stood in for by what has changed since', async () => {
    const house = await setUp()
    const stream = await house.listen('bob', 'POST')
    await house.list('alice')
    await stream.change('tools')
    house.script.status = 503
    expect((await house.list('alice')).status).toBe(503)
    stream.close()
  })

  it('is stood in for to all who wait for it', async () => {
    const house = await setUp()
    await house.list('alice')
    house.time.ms += 2 * MINUTE
    house.script.isHolding = true
    house.script.status = 503
    const pending = Promise.all(['alice', 'bob', 'carol'].map(user => house.list(user)))
    await eventually(() => house.gateway.proxy.state().callsInFlight === 3, 'all are under way')
    await eventually(() => house.held.length === 1, 'the backend is asked')
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(house.count()).toBe(2)
  })
})

describe('a request', () => {
  it.each([
    ['wants nothing that was kept', { headers: { 'cache-control': 'no-cache' } }],
    ['is of a session', { headers: { 'mcp-session-id': 'x' } }],
    ['is of an older version', { headers: { 'mcp-protocol-version': '2025-11-25' } }],
    ['is part of a conversation', { params: { requestState: 'x' } }],
  ])('is the backend’s where it %s', async (_, change) => {
    const house = await setUp()
    await house.list('alice', change)
    await house.list('alice', change)
    expect(house.count()).toBe(2)
    expect(house.counted).toEqual(['bypass', 'bypass'])
  })

  it('is the backend’s where nothing is to be kept, and goes there as it came', async () => {
    const house = await setUp({ gateway: { backend: { keepsLists: false } } })
    const headers = { 'accept-encoding': 'gzip' }
    await house.list('alice', { headers })
    await house.list('alice', { headers })
    expect(house.count()).toBe(2)
    expect(house.backend.field('accept-encoding')).toBe('gzip')
    expect(house.counted).toEqual([])
  })

  it('is not the cache’s where it calls a tool', async () => {
    const house = await setUp()
    const call = { method: 'tools/call', params: { name: 'read' }, headers: { 'mcp-name': 'read' } }
    await house.list('alice', call)
    await house.list('alice', call)
    expect(house.backend.seen).toHaveLength(2)
    expect(house.counted).toEqual([])
  })
})
