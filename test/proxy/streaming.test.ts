import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { FreshToken } from '../../src/upstream/fresh-token.ts'
import {
  ask,
  eventually,
  GOOD_TOKEN,
  open,
  RawClient,
  startBackend,
  startGateway,
  usable,
} from './support.ts'

const EVENTS = { 'content-type': 'text/event-stream' }

/** A backend whose answers the test writes itself. */
async function setUp(proxy = {}, tokens = {}) {
  const answers: ServerResponse[] = []
  const backend = await startBackend((_req, res) => {
    answers.push(res)
  })
  const gateway = await startGateway({ instances: [backend.url], proxy, tokens })
  const answer = async (index = 0): Promise<ServerResponse> => {
    await eventually(() => answers.length > index, 'the backend gets the request')
    return answers[index]!
  }
  const post = (...fields: string[]): RawClient => {
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]
    return new RawClient(gateway.port).send(...head, ...fields, 'Content-Length: 2', '', '{}')
  }
  return { gateway, answer, post, backend }
}

describe('event streams', () => {
  test('open at once, before the first event, unbuffered and uncached', async () => {
    const { gateway, answer } = await setUp()
    const opened = open(gateway, { body: '{}' })
    const res = await answer()
    res.writeHead(200, EVENTS).flushHeaders()
    const reply = await opened
    expect(reply.headers['x-accel-buffering']).toBe('no')
    expect(reply.headers['cache-control']).toBe('no-cache')
    reply.destroy()
  })

  test('keep the backend’s own Cache-Control', async () => {
    const { gateway, answer } = await setUp()
    const opened = open(gateway, { body: '{}' })
    const res = await answer()
    res.writeHead(200, { ...EVENTS, 'cache-control': 'no-store', 'x-accel-buffering': 'yes' })
    res.flushHeaders()
    const reply = await opened
    expect(reply.headers['cache-control']).toBe('no-store')
    expect(reply.headers['x-accel-buffering']).toBe('no')
    reply.destroy()
  })

  test('deliver events a second apart a second apart', async () => {
    const { answer, post } = await setUp()
    const client = post()
    const res = await answer()
    res.writeHead(200, EVENTS)
    res.write('data: 1\n\n')
    await client.until('data: 1')
    const first = performance.now()
    setTimeout(() => res.write('data: 2\n\n'), 1000)
    setTimeout(() => res.end('data: 3\n\n'), 2000)
    await client.until('data: 2')
    const second = performance.now()
    await client.until('data: 3')
    const third = performance.now()
    expect(second - first).toBeGreaterThan(900)
    expect(third - second).toBeGreaterThan(800)
  })

  test('pass their bytes unchanged, however they are cut', async () => {
    const { gateway, answer } = await setUp()
    const opened = open(gateway, { body: '{}' })
    const res = await answer()
    res.writeHead(200, EVENTS)
    const text = 'id: 1\r\ndata: {"a":"\u00e9"}\r\n\r\n: own comment\n\ndata: end\n\n'
    for (const byte of Buffer.from(text)) {
      res.write(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    res.end()
    const chunks: Buffer[] = []
    for await (const chunk of await opened) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe(text)
  })

  test('get a comment while they are quiet, also before the first event', async () => {
    const { answer, post } = await setUp({ heartbeatMs: 20 })
    const client = post()
    const res = await answer()
    res.writeHead(200, EVENTS).flushHeaders()
    await client.until('\r\n:\n')
    res.write('data: 1\n\n')
    await client.until('data: 1\n\n')
    const before = client.received.length
    await eventually(() => client.received.length > before, 'a comment follows the event')
    expect(client.received.slice(before)).toContain(':\n')
  })

  test('get no comment inside an event, nor where they are compressed', async () => {
    const { answer, post } = await setUp({ heartbeatMs: 10 })
    const inside = post()
    const begun = await answer(0)
    begun.writeHead(200, EVENTS)
    begun.write('data: begun\n')
    await inside.until('data: begun\n')
    const compressed = post()
    const gzip = { ...EVENTS, 'content-encoding': 'gzip' }
    ;(await answer(1)).writeHead(200, gzip).flushHeaders()
    await compressed.until('\r\n\r\n')
    const before = [inside.received, compressed.received]

    // A third stream shows that the heart beats meanwhile.
    const quiet = post()
    ;(await answer(2)).writeHead(200, EVENTS).flushHeaders()
    await eventually(() => quiet.received.split('\r\n:\n').length > 4, 'it beats')
    expect([inside.received, compressed.received]).toEqual(before)
    begun.write('\n')
    await inside.until(':\n')
  })
})

describe('a client that leaves', () => {
  test('ends the backend’s work while the answer streams', async () => {
    const { gateway, answer } = await setUp()
    const opened = open(gateway, { body: '{}' })
    const res = await answer()
    res.writeHead(200, EVENTS).write('data: 1\n\n')
    const closed = once(res, 'close')
    const reply = await opened
    reply.destroy()
    await closed
    expect(gateway.log).toEqual([])
  })

  test('ends the backend’s work while the head is awaited', async () => {
    const { answer, post } = await setUp()
    const client = post()
    const res = await answer()
    const closed = once(res, 'close')
    client.socket.destroy()
    await closed
  })

  test('is not forwarded when its upstream token comes', async () => {
    const token = Promise.withResolvers<FreshToken>()
    let isAsked = false
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      proxy: { limits: { bodyBytes: 100, inFlight: 1, streams: 1 } },
      tokens: {
        peek: () => (isAsked ? usable('another') : undefined),
        resolve: () => {
          isAsked = true
          return token.promise
        },
      },
    })
    const client = new RawClient(gateway.port)
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]
    client.send(...head, 'Content-Length: 0', '', '')
    await eventually(() => isAsked, 'the token is asked for')
    client.socket.destroy()
    await enter(gateway)
    token.resolve(usable('late'))
    await ask(gateway)
    expect(backend.seen).toHaveLength(2)
    expect(JSON.stringify(backend.seen)).not.toContain('late')
  })

  test('frees its place when it leaves while sending', async () => {
    const backend = await startBackend()
    const limits = { bodyBytes: 100, inFlight: 1, streams: 1 }
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits } })
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]
    const half = new RawClient(gateway.port)
    half.send(...head, 'Content-Length: 50', 'Expect: 100-continue', '', 'half')
    await half.until('100 Continue')
    expect((await ask(gateway)).status).toBe(503)
    half.socket.destroy()
    await enter(gateway)
    expect(backend.seen).toHaveLength(1)
  })
})

/** Asks until there is a place in flight: how one sees that the gateway has noticed that somebody left. */
async function enter(gateway: { port: number }): Promise<void> {
  let status = 503
  while (status === 503) status = (await ask(gateway)).status
  expect(status).toBe(200)
}

describe('a backend that dies in the middle of its answer', () => {
  test.each([
    ['chunked', {}],
    ['of declared length', { 'content-length': '100000' }],
    ['an event stream', EVENTS],
  ])('breaks the connection of a client whose answer is %s', async (_kind, headers) => {
    const { gateway, answer, post } = await setUp()
    const client = post()
    const res = await answer()
    res.writeHead(200, headers)
    res.write('data: 1\n\n')
    await client.until('data: 1')
    res.destroy()
    await client.closed
    expect(client.received).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(gateway.log).toEqual([
      expect.objectContaining({ level: 'warn', failure: 'backendBroken', isPartial: true }),
    ])
  })

  test('is told to a client that has got nothing of it yet', async () => {
    const { answer, post } = await setUp()
    const client = post()
    const res = await answer()
    res.writeHead(200, { 'content-length': '100' })
    res.write('{"half')
    await new Promise(resolve => res.write('', resolve))
    res.destroy()
    await client.until('HTTP/1.1 502')
    expect(client.received).not.toContain('half')
  })
})

describe('a client that reads slowly', () => {
  test('slows the backend down; the gateway holds next to nothing', async () => {
    const total = 60_000_000
    const { answer, post } = await setUp()
    const client = post()
    client.socket.pause()
    const res = await answer()
    res.writeHead(200, { 'content-type': 'application/octet-stream' })
    const block = Buffer.alloc(100_000, 'x')
    let written = 0
    const pump = (): void => {
      while (written < total) {
        written += block.byteLength
        if (!res.write(block)) {
          res.once('drain', pump)
          return
        }
      }
      res.end()
    }
    const before = process.memoryUsage().arrayBuffers
    pump()
    await standsStill(() => res.socket?.bytesWritten ?? 0)
    // Four socket buffers of the kernel, and little more.
    expect(written).toBeLessThan(total / 2)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000)

    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', chunk => {
      received += chunk.byteLength
    })
    client.socket.resume()
    await eventually(() => received > total, 'all of it arrives')
    expect(written).toBe(total)
  })

  test.each(['declared', 'chunked'])(
    'gets every byte as it was, beside others that read at other speeds: %s',
    async framing => {
      const bodies = Array.from({ length: 4 }, () => randomBytes(12_000_000))
      const { gateway, answer } = await setUp()
      const replies = bodies.map(() => open(gateway, { body: '{}' }))
      for (const [index, body] of bodies.entries()) {
        const res = await answer(index)
        res.writeHead(200, {
          'x-index': index,
          ...(framing === 'declared' && { 'content-length': body.length }),
        })
        res.end(body)
      }
      for (const [speed, opened] of replies.entries()) {
        const reply = await opened
        const read: Buffer[] = []
        for await (const chunk of reply) {
          read.push(chunk)
          for (let turn = 0; turn < speed * 3; turn += 1) await new Promise(setImmediate)
        }
        expect(Buffer.concat(read).equals(bodies[Number(reply.headers['x-index'])]!)).toBe(true)
      }
    },
  )
})

/** Resolves when a number has been the same for a quarter of a second. */
async function standsStill(read: () => number): Promise<void> {
  let last = -1
  let since = performance.now()
  await eventually(() => {
    const value = read()
    if (value !== last) since = performance.now()
    last = value
    return value > 0 && performance.now() - since > 250
  }, 'it stands still')
}

describe('shutdown', () => {
  test('ends streams that only listen, between events, and lets calls go on', async () => {
    const { gateway, answer, post } = await setUp()
    const listening = post('Mcp-Method: subscriptions/listen')
    const res = await answer()
    const closed = once(res, 'close')
    res.writeHead(200, EVENTS).write('data: half')
    await listening.until('data: half')
    gateway.proxy.drain(0)
    res.write('\n\n')
    await listening.until('\n\n\r\n0\r\n\r\n')
    await closed
  })

  test.each([
    [
      'a subscription with the result that it is owed',
      '{"id": "s-1", "method": "subscriptions/listen"}',
      '"s-1"',
    ],
    ['one whose id is a number', '{"method":"subscriptions/listen","id":7}', '7'],
    ['one whose id cannot be told with nothing', '{"id":1,"id":2}', undefined],
    ['one whose id is no id with nothing', '{"id":{}}', undefined],
  ])('ends %s', async (_, body, id) => {
    const { gateway, answer } = await setUp()
    const headers = { 'Mcp-Method': 'subscriptions/listen' }
    const opened = open(gateway, { headers, body })
    ;(await answer()).writeHead(200, EVENTS).write('data: 1\n\n')
    const reply = await opened
    await once(reply, 'readable')
    gateway.proxy.drain(0)
    let text = ''
    for await (const chunk of reply) text += chunk
    const meta = `{"io.modelcontextprotocol/subscriptionId":${id}}`
    const result = `{"resultType":"complete","_meta":${meta}}`
    const message = `event: message\ndata: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`
    expect(text).toBe(`data: 1\n\n${id === undefined ? '' : message}`)
  })

  test('ends a GET stream with a time to come back after, and no event', async () => {
    const { gateway, answer } = await setUp()
    const opened = open(gateway, { method: 'GET' })
    ;(await answer()).writeHead(200, EVENTS).write('data: 1\n\n')
    const reply = await opened
    await once(reply, 'readable')
    gateway.proxy.drain(0)
    let text = ''
    for await (const chunk of reply) text += chunk
    expect(text).toBe('data: 1\n\nretry: 1000\n')
  })

  test('lets a call that streams its progress finish', async () => {
    const { gateway, answer, post } = await setUp()
    const calling = post('Mcp-Method: tools/call')
    const res = await answer()
    res.writeHead(200, EVENTS).write('data: 1\n\n')
    await calling.until('data: 1')
    gateway.proxy.drain(0)
    res.end('data: result\n\n')
    await calling.until('data: result')
  })
})
