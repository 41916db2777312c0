/** Instances of a backend go wrong in every way, behind two replicas of the gateway; the instances count what they have run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFreePorts } from '../support/free-port.ts'
import { waitFor } from '../support/wait-for.ts'
import { register, type Session, signIn, tally } from './client.ts'
import { type FaultHouse, startHouse } from './house.ts'
import { type InstanceProcess, startInstance } from './instance.ts'

const HEADERS_MS = 2000
/** What the sick one of three instances does. The last is well, until something is done to it. */
const WAYS = [
  ...['garbage', 'half-head', 'half-body', 'reset', 'unavailable'],
  ...['slow', 'stopped', 'killed'],
]

let house: FaultHouse
let sick: InstanceProcess
let well: InstanceProcess[]
const sessions = new Map<string, Session>()

beforeAll(async () => {
  const ports = await findFreePorts(3)
  const [first, ...others] = await Promise.all(ports.map(startInstance))
  sick = first!
  well = others
  const limits = { connect: '500ms', headers: `${HEADERS_MS}ms`, idle: '3s' }
  const backends = WAYS.map(way => ({
    path: `/${way}/mcp`,
    instances: [`${sick.origin}/${way}`, ...well.map(({ origin }) => `${origin}/mcp`)],
    timeouts: limits,
    probe: { interval: '1s' },
  }))
  house = await startHouse({
    replicas: 2,
    idp: { accessTokenTtlSeconds: 600 },
    config: { backends },
  })
  const clientId = await register(house)
  for (const way of WAYS) {
    sessions.set(way, await signIn(house, clientId, `${house.front.origin}/${way}/mcp`))
  }
}, 90_000)

afterAll(async () => {
  sick.signal('SIGCONT')
  await Promise.all([house.close(), ...[sick, ...well].map(instance => instance.kill())])
})

let lastId = 0
function nextId(): string {
  lastId += 1
  return `id-${lastId}`
}

type Sent = { id: string; status: number; body: string }

function open(way: string, method: string, id: string, params: object = {}): Promise<Response> {
  // By turns at both replicas.
  return fetch(`${house.front.origin}/${way}/mcp`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${sessions.get(way)!.accessToken}`,
      'content-type': 'application/json',
      'mcp-method': method,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
  })
}

async function send(way: string, method: string, args: object = {}): Promise<Sent> {
  const id = nextId()
  const response = await open(way, method, id, { name: 'pay', arguments: args })
  return { id, status: response.status, body: await response.text() }
}

function sendMany(count: number, way: string, method: string, args = {}): Promise<Sent[]> {
  return Promise.all(Array.from({ length: count }, () => send(way, method, args)))
}

/** On how many instances each call has run, by how it was answered. */
function runsOf(sent: readonly Sent[]): Record<number, number[]> {
  const runs = [sick, ...well].flatMap(instance => instance.runs())
  const result: Record<number, number[]> = {}
  for (const { id, status } of sent) {
    const times = runs.filter(run => run === id).length
    result[status] = [...new Set([...(result[status] ?? []), times])].toSorted()
  }
  return result
}

describe.each([
  ['garbage', 502],
  ['half-head', 502],
  ['half-body', 502],
  ['reset', 502],
  ['unavailable', 503],
])('an instance whose answer is %s', (way, status) => {
  it('has each tools/call that met it told, and none run twice', async () => {
    const sent = await sendMany(40, way, 'tools/call')
    const met = new Set(sick.runs())
    expect(sent.filter(({ id }) => met.has(id)).length).toBeGreaterThan(0)
    expect(sent.filter(one => one.status !== 200).every(({ id }) => met.has(id))).toBe(true)
    expect(sent.filter(one => one.status === 200).some(({ id }) => met.has(id))).toBe(false)
    expect(runsOf(sent)).toEqual({ 200: [1], [status]: [1] })
  })

  it('keeps no list from anybody, and is left alone', async () => {
    const sent: Sent[] = []
    for (let time = 0; time < 40; time += 1) sent.push(await send(way, 'tools/list'))
    expect(tally(sent)).toEqual({ 200: 40 })
    const before = sick.seen().length
    expect(tally(await sendMany(20, way, 'tools/call'))).toEqual({ 200: 20 })
    expect(sick.seen()).toHaveLength(before)
  })
})

describe('a slow instance', () => {
  it('answers whatever it is asked, and nothing is sent twice', async () => {
    const sent = await sendMany(20, 'slow', 'tools/call')
    expect(runsOf(sent)).toEqual({ 200: [1] })
    const lists = await sendMany(20, 'slow', 'tools/list')
    expect(tally(lists)).toEqual({ 200: 20 })
    const seen = [sick, ...well].flatMap(instance => instance.seen())
    expect(lists.every(({ id }) => seen.filter(one => one === id).length === 1)).toBe(true)
  })
})

describe('an instance that is stopped', () => {
  it('costs the calls that it has, answers no list late, and runs none twice once it goes on', async () => {
    sick.signal('SIGSTOP')
    const [calls, lists] = await Promise.all([
      sendMany(40, 'stopped', 'tools/call'),
      sendMany(8, 'stopped', 'tools/list'),
    ])
    expect(tally(lists)).toEqual({ 200: 8 })
    const failed = calls.filter(({ status }) => status !== 200)
    expect(failed.length).toBeGreaterThan(0)
    expect(new Set(failed.map(({ status }) => status))).toEqual(new Set([504]))
    // By now it is left alone.
    const startedAt = performance.now()
    expect(tally(await sendMany(20, 'stopped', 'tools/call'))).toEqual({ 200: 20 })
    expect(performance.now() - startedAt).toBeLessThan(HEADERS_MS)
    const answered = sick.answered().length
    sick.signal('SIGCONT')
    // What the system had kept for it is read now, though its client has gone.
    await waitFor(() => send('slow', 'tools/call').then(() => sick.answered().length > answered), {
      what: 'it to go on',
      timeoutMs: 10_000,
    })
    const runs = runsOf(calls)
    expect(runs[200]).toEqual([1])
    expect(runs[504]!.every(times => times <= 1)).toBe(true)
  }, 60_000)
})

describe('an instance that is killed', () => {
  type Reader = ReadableStreamDefaultReader<string>
  /** By what they are: of the instance that dies, or of another. */
  const streams = { theirs: [] as Reader[], others: [] as Reader[] }
  let calls: Sent[]
  let lists: Sent[]

  async function openStream(method: string): Promise<{ reader: Reader; isTheirs: boolean }> {
    const params = { name: 'watch', arguments: { streams: true } }
    const response = await open('killed', method, nextId(), params)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    const { value = '' } = await reader.read()
    return { reader, isTheirs: value.includes(`data: ${sick.pid()}\n`) }
  }

  beforeAll(async () => {
    const opened = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        openStream(index % 2 === 0 ? 'subscriptions/listen' : 'tools/call'),
      ),
    )
    for (const { reader, isTheirs } of opened) streams[isTheirs ? 'theirs' : 'others'].push(reader)
    const before = sick.runs().length
    const sending = sendMany(60, 'killed', 'tools/call', { ms: 1000 })
    const listing = sendMany(30, 'killed', 'tools/list', { ms: 1000 })
    await waitFor(() => sick.runs().length > before + 10, {
      what: 'calls to run there',
      timeoutMs: 10_000,
    })
    await sick.kill()
    ;[calls, lists] = await Promise.all([sending, listing])
  }, 60_000)

  it('breaks the streams that it had, and no others', async () => {
    expect(streams.theirs.length).toBeGreaterThan(0)
    const ends = await Promise.all(streams.theirs.map(readToEnd))
    expect(new Set(ends)).toEqual(new Set(['broken']))
    for (const reader of streams.others) {
      for (let time = 0; time < 3; time += 1) expect((await reader.read()).done).toBe(false)
      await reader.cancel()
    }
  })

  it('costs the calls that it had and no others; lists are answered all the same', async () => {
    expect(tally(lists)).toEqual({ 200: 30 })
    const lost = calls.filter(({ status }) => status !== 200)
    expect(new Set(lost.map(({ status }) => status))).toEqual(new Set([502]))
    // Some it had got, and had not begun to run.
    const elsewhere = new Set(well.flatMap(instance => instance.runs()))
    expect(lost.some(({ id }) => elsewhere.has(id))).toBe(false)
    expect(runsOf(calls)[200]).toEqual([1])
    expect(runsOf(lost)[502]!.every(times => times <= 1)).toBe(true)
    expect(tally(await sendMany(40, 'killed', 'tools/call'))).toEqual({ 200: 40 })
  })

  it('gets calls again when it is back, although none was risked on it', async () => {
    const before = sick.runs().length
    await sick.start()
    const sent: Sent[] = []
    await waitFor(
      async () => {
        sent.push(...(await sendMany(10, 'killed', 'tools/call')))
        return sick.runs().length > before
      },
      { what: 'a call to run there again', timeoutMs: 30_000, intervalMs: 100 },
    )
    expect(runsOf(sent)).toEqual({ 200: [1] })
  }, 60_000)
})

async function readToEnd(reader: ReadableStreamDefaultReader<string>): Promise<'ended' | 'broken'> {
  try {
    for (;;) if ((await reader.read()).done) return 'ended'
  } catch {
    return 'broken'
  }
}
