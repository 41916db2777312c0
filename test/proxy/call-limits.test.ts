import { describe, expect, onTestFinished, test } from 'vitest'
import type { Rate } from '../../src/domain/rate.ts'
import { watchNothing } from '../../src/observability/caches.ts'
import { type CallLimit, createCallLimits } from '../../src/proxy/call-limits.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { RateCounters } from '../../src/store/port.ts'
import { waitFor } from '../support/wait-for.ts'
import { ask, claims, startBackend, startGateway } from './support.ts'

const NONE = { subject: 'off', client: 'off', backend: 'off', tool: 'off' } as const
const TWO: Rate = { count: 2, windowSeconds: 60 }
const ALICE = claims({ subject: 'alice' })
const BOB = claims({ subject: 'bob' })

function setUp(limits: Partial<Record<CallLimit, Rate>>, given?: RateCounters) {
  let time = 1000
  const now = () => time
  const { rates } = createMemoryStore({ now })
  const refused: string[] = []
  const open = () => {
    const replica = createCallLimits({
      ...{ limits: { ...NONE, ...limits }, rates: given ?? rates, now },
      ...{ onRefused: (limit: CallLimit) => refused.push(limit), syncIntervalMs: 5 },
    })!
    onTestFinished(replica.close)
    return replica
  }
  return { open, rates: given ?? rates, refused, advance: (seconds: number) => (time += seconds) }
}

const call = (tool: string) =>
  Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}"}}`)

describe('a limit of calls', () => {
  test('is not there where none is configured', () => {
    const options = { rates: createMemoryStore().rates, onRefused: () => {}, now: () => 0 }
    expect(createCallLimits({ ...options, limits: NONE })).toBeUndefined()
  })

  test('refuses what is beyond it, until its window ends', () => {
    const { open, refused, advance } = setUp({ subject: TWO })
    const limits = open()
    expect([limits.take(ALICE, 'crm'), limits.take(ALICE, 'wiki')]).toEqual([undefined, undefined])
    advance(20)
    expect(limits.take(ALICE, 'crm')).toEqual({ limit: 'subject', retryAfterSeconds: 40 })
    expect(limits.take(BOB, 'crm')).toBeUndefined()
    expect(refused).toEqual(['subject'])
    advance(40)
    expect(limits.take(ALICE, 'crm')).toBeUndefined()
  })

  test('holds a count for each whom it counts, and says how many there are', () => {
    const sizes: [string, () => number][] = []
    const limits = createCallLimits({
      ...{ limits: { ...NONE, subject: TWO }, rates: createMemoryStore().rates, now: () => 0 },
      onRefused: () => {},
      watchCache: (name, size) => {
        sizes.push([name, size])
        return watchNothing(name, size)
      },
    })!
    onTestFinished(limits.close)
    for (const caller of [ALICE, BOB, ALICE]) limits.take(caller, 'crm')
    expect(sizes.map(([name, size]) => [name, size()])).toEqual([['call_counts', 2]])
  })

  test.each([
    [
      'client',
      { ...BOB, clientId: ALICE.clientId },
      'wiki',
      { ...ALICE, clientId: 'other' },
      'crm',
    ],
    ['backend', { ...BOB, clientId: 'other' }, 'crm', ALICE, 'wiki'],
  ] as const)('of a %s counts by that alone', (limit, same, sameBackend, other, otherBackend) => {
    const limits = setUp({ [limit]: TWO }).open()
    for (let n = 0; n < 2; n += 1) limits.take(ALICE, 'crm')
    expect(limits.take(same, sameBackend)?.limit).toBe(limit)
    expect(limits.take(other, otherBackend)).toBeUndefined()
  })

  test('of a tool counts one tool of one user, and what cannot be read as one', () => {
    const limits = setUp({ tool: TWO }).open()
    const take = (body: Buffer, caller = ALICE) =>
      limits.takeTools(caller, 'crm', { body, fields: [] })?.limit
    for (let n = 0; n < 2; n += 1) expect(take(call('export'))).toBeUndefined()
    expect(take(call('export'))).toBe('tool')
    expect(take(call('search'))).toBeUndefined()
    expect(take(call('export'), BOB)).toBeUndefined()
    const twofold = Buffer.from('{"method":"tools/call","params":{"name":"a","Name":"export"}}')
    for (let n = 0; n < 2; n += 1) expect(take(twofold)).toBeUndefined()
    expect(take(twofold)).toBe('tool')
    expect(take(Buffer.from('{"method":"ping"}'))).toBeUndefined()
  })

  test('of a tool counts each call of a body that has several', () => {
    const limits = setUp({ tool: TWO }).open()
    const take = (...calls: Buffer[]) =>
      limits.takeTools(ALICE, 'crm', { body: Buffer.from(`[${calls}]`), fields: [] })?.limit
    expect(take(call('export'), call('export'), call('export'))).toBe('tool')
    expect(take(call('export'), call('search'), call('export'))).toBeUndefined()
    expect(take(call('export'))).toBe('tool')
    expect(take(call('search'))).toBeUndefined()
  })

  test.each([
    ['names that are too long', [[call('a'.repeat(200))], [call('b'.repeat(200))]]],
    ['very many at once', [Array.from({ length: 101 }, (_, n) => call(`t${n}`))]],
  ])('of a tool counts as one what no client would ask for: %s', (_, bodies) => {
    const limits = setUp({ tool: { count: 100, windowSeconds: 60 } }).open()
    const take = (calls: Buffer[]) =>
      limits.takeTools(ALICE, 'crm', { body: Buffer.from(`[${calls}]`), fields: [] })?.limit
    for (let n = 0; n < 50; n += 1) for (const body of bodies) take(body)
    expect(take(bodies[0] ?? [])).toBe('tool')
  })

  test('of a tool counts a body in another charset as one that cannot be read', () => {
    const limits = setUp({ tool: { count: 1, windowSeconds: 60 } }).open()
    const fields = ['Content-Type', 'application/json; charset=utf-7']
    const take = (tool: string) =>
      limits.takeTools(ALICE, 'crm', { body: call(tool), fields })?.limit
    expect([take('a'), take('b')]).toEqual([undefined, 'tool'])
  })

  test('counts a call that one limit refuses with none of the others', () => {
    const limits = setUp({ subject: TWO, backend: { count: 3, windowSeconds: 60 } }).open()
    for (let n = 0; n < 10; n += 1) limits.take(ALICE, 'crm')
    expect(limits.take(BOB, 'crm')).toBeUndefined()
    expect(limits.take(BOB, 'crm')?.limit).toBe('backend')
  })

  test('is shared: what one replica lets through, another learns from the store', async () => {
    const { open } = setUp({ subject: { count: 4, windowSeconds: 60 } })
    const replicas = [open(), open()]
    let letThrough = 0
    const isFull = (replica: (typeof replicas)[number]): boolean => {
      const excess = replica.take(ALICE, 'crm')
      letThrough += excess ? 0 : 1
      return excess !== undefined
    }
    // Each asks once, and again when it may have heard of the other.
    await waitFor(() => replicas.map(isFull).every(Boolean), { what: 'both to be full' })
    expect(letThrough).toBeGreaterThanOrEqual(4)
    expect(letThrough).toBeLessThanOrEqual(6)
  })

  test('fails open: without the store each replica goes on with its own count', async () => {
    let asked = 0
    const away: RateCounters = {
      add: async () => {
        asked += 1
        throw new Error('away')
      },
    }
    const limits = setUp({ subject: { count: 3, windowSeconds: 60 } }, away).open()
    limits.take(ALICE, 'crm')
    await waitFor(() => asked > 0, { what: 'the store to be asked' })
    expect(limits.take(ALICE, 'crm')).toBeUndefined()
    expect(limits.take(ALICE, 'crm')).toBeUndefined()
    expect(limits.take(ALICE, 'crm')?.limit).toBe('subject')
  })

  test('is answered with 429, Retry-After and a JSON-RPC error; the backend gets nothing', async () => {
    const backend = await startBackend()
    const callLimits = setUp({ subject: TWO, tool: { count: 1, windowSeconds: 30 } }).open()
    const gateway = await startGateway({ instances: [backend.url], proxy: { callLimits } })
    const body = call('export').toString()
    expect((await ask(gateway, { body })).status).toBe(200)
    const byTool = await ask(gateway, { body })
    expect([byTool.status, byTool.headers['retry-after']]).toEqual([429, '30'])
    expect(JSON.parse(byTool.body)).toMatchObject({ error: { code: -32017 }, id: null })
    const bySubject = await ask(gateway, { method: 'GET' })
    expect([bySubject.status, bySubject.headers['retry-after']]).toEqual([429, '60'])
    expect(backend.seen).toHaveLength(1)
    expect(gateway.log.map(({ failure, reason }) => [failure, reason])).toEqual([
      ['rateLimited', 'more calls than the limit of its tool'],
      ['rateLimited', 'more calls than the limit of its subject'],
    ])
    expect(gateway.proxy.state().callsInFlight).toBe(0)
  })
})
