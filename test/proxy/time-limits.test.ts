import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ask, eventually, open, startBackend, startGateway, TIMEOUTS } from './support.ts'

const EVENTS = { 'content-type': 'text/event-stream' }
const LISTEN = {
  headers: { 'mcp-method': 'subscriptions/listen' },
  body: '{"method":"subscriptions/listen"}',
}

/** @param answer what the backend does with a request; nothing, where it says nothing */
async function setUp(
  timeouts: object,
  answer: (res: ServerResponse) => void = () => {},
  proxy: object = {},
) {
  const backend = await startBackend((_req, res) => answer(res))
  return startGateway({
    instances: [backend.url],
    backend: { timeouts: { ...TIMEOUTS, ...timeouts } },
    proxy,
  })
}

describe('total', () => {
  test('ends a call without a head with 504, and tells the instance so', async () => {
    const gone = Promise.withResolvers<void>()
    const gateway = await setUp({ totalMs: 200 }, res => res.once('close', gone.resolve))
    const reply = await ask(gateway, { body: '{}' })
    expect(reply.status).toBe(504)
    expect(JSON.parse(reply.body).error.code).toBe(-32013)
    await gone.promise
    expect(gateway.proxy.state()).toMatchObject({
      callsInFlight: 0,
      backends: [{ instances: [{ inFlight: 0 }] }],
    })
  })

  test('breaks an answer that has begun, however busy it is', async () => {
    const gateway = await setUp({ totalMs: 1500 }, res => {
      res.writeHead(200, EVENTS)
      const timer = setInterval(() => res.write('data: 1\n\n'), 20)
      res.once('close', () => clearInterval(timer))
    })
    const reply = await open(gateway, { body: '{}' })
    await expect(reply.toArray()).rejects.toThrow('aborted')
  })

  test('counts against an instance that gave no answer', async () => {
    const gateway = await setUp({ totalMs: 100 })
    const second = await startBackend((_req, _res) => {})
    const both = await startGateway({
      instances: [gateway.proxy.state().backends[0]!.instances[0]!.instance, second.url],
      backend: { timeouts: { ...TIMEOUTS, totalMs: 100 } },
      proxy: { random: () => 0 },
    })
    await Promise.all(Array.from({ length: 12 }, () => ask(both, { body: '{}' })))
    const states = both.proxy.state().backends[0]!.instances.map(({ state }) => state)
    expect(states.toSorted()).toEqual(['ejected', 'serving'])
  })
})

describe('idle', () => {
  test('breaks an answer of which nothing more comes', async () => {
    const gateway = await setUp({ idleMs: 100 }, res => {
      res.writeHead(200, EVENTS).write('data: 1\n\n')
    })
    const reply = await open(gateway, { body: '{}' })
    await expect(reply.toArray()).rejects.toThrow('aborted')
    expect(gateway.log).toMatchObject([{ failure: 'backendTimeout' }])
  })

  test('answers with 504 while nothing is out yet', async () => {
    const gateway = await setUp({ idleMs: 100 }, res => {
      res.writeHead(200, { 'content-length': 10 }).write('1')
    })
    expect((await ask(gateway, { body: '{}' })).status).toBe(504)
  })

  test('leaves an answer alone whose backend sends heartbeats', async () => {
    const gateway = await setUp({ idleMs: 1000 }, res => {
      res.writeHead(200, EVENTS)
      let beats = 0
      const timer = setInterval(() => {
        beats += 1
        if (beats < 30) return void res.write(':\n')
        clearInterval(timer)
        res.end('data: 1\n\n')
      }, 100)
    })
    expect((await ask(gateway, { body: '{}' })).body).toContain('data: 1')
  })

  test('leaves an answer alone whose client does not keep up', async () => {
    const size = 50_000_000
    const gateway = await setUp({ idleMs: 100 }, res => {
      res.writeHead(200, { 'content-length': size }).end(Buffer.alloc(size))
    })
    const reply = await open(gateway, { body: '{}' })
    const startedAt = performance.now()
    await eventually(() => performance.now() - startedAt > 2000, 'the limit is long over')
    let received = 0
    for await (const chunk of reply) received += chunk.length
    expect(received).toBe(size)
  })
})

describe('a method', () => {
  const methods = { 'tools/call': { totalMs: 60_000 }, 'tools/list': { headersMs: 60_000 } }

  test('has the limits that are its own, by what its body says', async () => {
    const gateway = await setUp({ totalMs: 200, methods }, res => {
      setTimeout(() => res.end('slow'), 1500)
    })
    const [call, pretended, list] = await Promise.all([
      ask(gateway, { body: '{"method":"tools/call","params":{"name":"a"}}' }),
      ask(gateway, {
        body: '{"method":"tools/list"}',
        headers: { 'mcp-method': 'tools/call' },
      }),
      ask(gateway, { body: 'no JSON' }),
    ])
    expect([call.status, pretended.status, list.status]).toEqual([200, 504, 504])
  })

  test('keeps the limits of all where it has none of its own', async () => {
    const gateway = await setUp({ headersMs: 100, methods })
    const body = '{"method":"tools/call","params":{"name":"a"}}'
    expect((await ask(gateway, { body })).status).toBe(504)
  })
})

describe('streams that only listen', () => {
  test('are none where the answer is no stream of events, and end like those of calls', async () => {
    const gateway = await setUp({ idleMs: 100 }, res => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 10 }).write('{')
    })
    const replies = await Promise.all([ask(gateway, LISTEN), ask(gateway, { method: 'GET' })])
    expect(replies.map(({ status }) => status)).toEqual([504, 504])
  })

  test('have neither an idle nor a total end', async () => {
    const answers: ServerResponse[] = []
    const gateway = await setUp({ idleMs: 100, totalMs: 100 }, res => {
      answers.push(res.writeHead(200, EVENTS))
      res.flushHeaders()
    })
    const streams = await Promise.all([open(gateway, LISTEN), open(gateway, { method: 'GET' })])
    // A call that begins later is ended by both.
    expect((await open(gateway, { body: '{}' })).statusCode).toBe(200)
    await eventually(() => gateway.log.length === 1, 'the call is ended')
    for (const answer of answers) answer.end('data: last\n\n')
    for (const stream of streams) {
      expect(Buffer.concat(await stream.toArray()).toString()).toContain('data: last')
    }
  })

  test.each([
    [LISTEN, 0],
    [{ method: 'GET' }, 0.999],
  ])('end in good order at their age, between two events: %j', async (request, draw) => {
    const answers: ServerResponse[] = []
    const gateway = await setUp(
      { maxAgeMs: 300 },
      res => void answers.push(res.writeHead(200, EVENTS)),
      { heartbeatMs: 500, random: () => draw },
    )
    const opened = open(gateway, request)
    await eventually(() => answers.length > 0, 'it is open')
    const startedAt = performance.now()
    answers[0]!.write('data: begun\n')
    const stream = await opened
    const closed = once(answers[0]!, 'close')
    // Long past its end, it is still inside of an event.
    await eventually(() => performance.now() - startedAt > 600, 'its age is over')
    expect(answers[0]!.destroyed).toBe(false)
    answers[0]!.write('\n')
    const farewell = request === LISTEN ? '' : 'retry: 1000\n'
    const text = Buffer.concat(await stream.toArray()).toString()
    expect(text).toBe(`data: begun\n\n${farewell}`)
    await closed
  })

  test('are cut inside of an event, where that does not end within two beats after their age', async () => {
    const gone = Promise.withResolvers<void>()
    const gateway = await setUp(
      { maxAgeMs: 200 },
      res => {
        res.writeHead(200, EVENTS).write('data: begun\n')
        res.once('close', gone.resolve)
      },
      { heartbeatMs: 100 },
    )
    const startedAt = performance.now()
    const stream = await open(gateway, LISTEN)
    await expect(stream.toArray()).rejects.toThrow('aborted')
    expect(performance.now() - startedAt).toBeGreaterThan(300)
    await gone.promise
    expect(gateway.log).toMatchObject([{ failure: 'backendTimeout', isPartial: true }])
    expect(gateway.proxy.state()).toMatchObject({ callsInFlight: 0, eventStreams: 0 })
  })

  test('are cut as well where their client reads too slowly to see the end of an event', async () => {
    const gone = Promise.withResolvers<void>()
    const gateway = await setUp(
      { maxAgeMs: 200 },
      res => {
        res.writeHead(200, EVENTS).write(`data: ${'x'.repeat(30_000_000)}`)
        res.once('close', gone.resolve)
      },
      { heartbeatMs: 100 },
    )
    const stream = await open(gateway, LISTEN)
    await gone.promise
    await eventually(() => gateway.proxy.state().callsInFlight === 0, 'it is over')
    // The client has left, as far as the gateway can tell, and nothing failed.
    expect(gateway.log).toEqual([])
    await expect(stream.toArray()).rejects.toThrow('aborted')
  })

  test('end up to a fifth earlier, so that they do not all come back at once', async () => {
    const ages: number[] = []
    for (const draw of [0, 0.999]) {
      const gateway = await setUp(
        { maxAgeMs: 1000 },
        res => res.writeHead(200, EVENTS).flushHeaders(),
        { heartbeatMs: 10, random: () => draw },
      )
      const startedAt = performance.now()
      await (await open(gateway, LISTEN)).toArray()
      ages.push(performance.now() - startedAt)
    }
    expect(ages[0]).toBeGreaterThanOrEqual(990)
    expect(ages[1]).toBeGreaterThanOrEqual(790)
    expect(ages[1]).toBeLessThan(ages[0]!)
  })
})

describe('streams and calls', () => {
  test('do not take each other’s place', async () => {
    const backend = await startBackend((req, res) => {
      if (req.method === 'GET') res.writeHead(200, EVENTS).flushHeaders()
      else res.end('answer')
    })
    const limits = { bodyBytes: 1000, inFlight: 1, streams: 2 }
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits } })
    const streams = await Promise.all([1, 2].map(() => open(gateway, { method: 'GET' })))
    expect((await ask(gateway, { method: 'GET' })).status).toBe(503)
    expect((await ask(gateway, { body: '{}' })).status).toBe(200)
    for (const stream of streams) stream.destroy()
  })

  test('have a room of their own at each instance, and get 503 where there is none', async () => {
    const backend = await startBackend((_req, res) => res.writeHead(200, EVENTS).flushHeaders())
    const gateway = await startGateway({
      instances: [backend.url],
      backend: { room: { calls: 1, streams: 1 } },
    })
    const open2 = [await open(gateway, LISTEN), await open(gateway, { body: '{}' })]
    for (const request of [LISTEN, { body: '{}' }]) {
      const refused = await ask(gateway, request)
      expect(refused.status).toBe(503)
      expect(refused.headers['retry-after']).toBe('1')
    }
    expect(gateway.proxy.state().backends[0]?.instances).toMatchObject([
      { inFlight: 2, streams: 1 },
    ])
    for (const stream of open2) stream.destroy()
  })
})

test.each([
  ['a call of a tool', '{"method":"tools/call","params":{"name":"pay"}}', {}],
  ['several messages', '[{"method":"subscriptions/listen"},{"method":"ping"}]', {}],
  ['a call in another charset', LISTEN.body, { 'content-type': 'text/json; charset=utf-7' }],
  ['nothing that can be read', '{', {}],
])('is not escaped by what says that it only listens, and is %s', async (_, body, headers) => {
  const gateway = await setUp({ totalMs: 200 })
  const reply = await ask(gateway, { body, headers: { ...LISTEN.headers, ...headers } })
  expect(reply.status).toBe(400)
  expect(JSON.parse(reply.body).error.code).toBe(-32020)
})
