import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createAdmission } from '../../src/proxy/admission.ts'
import type { ShareLimits } from '../../src/proxy/shares.ts'
import {
  type Ask,
  ask,
  claims,
  eventually,
  GOOD_TOKEN,
  NOW,
  open,
  RawClient,
  startBackend,
  startGateway,
} from './support.ts'

const LIMITS = { bodyBytes: 1000, inFlight: 2, streams: 2 }
const HEAD = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]

describe('a body', () => {
  test('of exactly the limit passes', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
    expect((await ask(gateway, { body: 'x'.repeat(1000) })).status).toBe(200)
  })

  test('declared larger is refused with 413 before it is read', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
    const client = new RawClient(gateway.port).send(...HEAD, 'Content-Length: 1001', '', '')
    await client.until('-32008')
    expect(client.received).toMatch(/^HTTP\/1.1 413 /)
    expect(backend.seen).toEqual([])
  })

  test('that grows larger in chunks is refused with 413', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
    const client = new RawClient(gateway.port).send(...HEAD, 'Transfer-Encoding: chunked', '', '')
    while (!client.received.includes('413') && client.socket.bytesWritten < 100_000) {
      client.send('64', 'x'.repeat(100), '')
      await new Promise(resolve => setImmediate(resolve))
    }
    await client.until('-32008')
    expect(client.received).toMatch(/^HTTP\/1.1 413 /)
    expect(backend.seen).toEqual([])
  })

  test('refused with 413 leaves the answer readable to a client that sends all of it first', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
    const client = new RawClient(gateway.port)
    client.socket.pause()
    client.send(...HEAD, 'Content-Length: 5000000', '', '')
    await new Promise(resolve => client.socket.write(Buffer.alloc(5_000_000), resolve))
    client.socket.resume()
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 413 .*connection: close\r\n.*-32008/is)
  })

  test.each([
    ['413', ['Content-Length: 1001', '', 'x'.repeat(1001)]],
    ['405', ['Content-Length: 1', 'Expect: 100-continue', '', 'x']],
  ])(
    'refused with %s is the last on its connection: what comes behind it is never acted on',
    async (status, lines) => {
      const backend = await startBackend()
      const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
      await ask(gateway)
      const method = status === '405' ? 'TRACE' : 'POST'
      const [, ...fields] = HEAD
      const client = new RawClient(gateway.port).send(
        `${method} /crm/mcp HTTP/1.1`,
        ...fields,
        ...lines,
      )
      client.send(...HEAD, 'Content-Length: 6', '', 'behind')
      await client.closed
      expect(client.received).toMatch(
        new RegExp(`^HTTP/1.1 ${status} .*connection: close\r\n`, 'is'),
      )
      expect(backend.seen.map(({ body }) => body)).toEqual([''])
    },
  )

  test('that comes too slowly is refused with 408, and its place is free again', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      proxy: { limits: { bodyBytes: 1000, inFlight: 1, streams: 1 } },
      listener: { stallMs: 100 },
    })
    const client = new RawClient(gateway.port).send(...HEAD, 'Content-Length: 10', '', 'slow')
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 408 /)
    expect((await ask(gateway)).status).toBe(200)
    expect(backend.seen).toHaveLength(1)
  })
})

describe('requests in flight', () => {
  test('over the limit are refused with 503 and Retry-After, until one is over', async () => {
    const waiting: ServerResponse[] = []
    const backend = await startBackend((_req, res) => {
      waiting.push(res)
    })
    const gateway = await startGateway({ instances: [backend.url], proxy: { limits: LIMITS } })
    const both = [open(gateway), open(gateway)]
    await eventually(() => waiting.length === 2, 'two are in flight')
    const refused = await ask(gateway)
    expect(refused.status).toBe(503)
    expect(refused.headers['retry-after']).toBe('1')
    for (const res of waiting) res.end()
    for (const reply of await Promise.all(both)) reply.resume()
    const next = open(gateway)
    await eventually(() => waiting.length === 3, 'the next one enters')
    waiting[2]?.end()
    expect((await next).resume().statusCode).toBe(200)
  })

  test('are counted right after every way in which a call can end', async () => {
    let mode = 'ok'
    const backend = await startBackend((_req, res) => {
      if (mode === 'reset') res.socket?.resetAndDestroy()
      else if (mode === 'refuse') res.writeHead(401).end()
      else res.end()
    })
    const gateway = await startGateway({
      instances: [backend.url],
      proxy: { limits: { bodyBytes: 1000, inFlight: 1, streams: 1 } },
    })
    for (mode of ['ok', 'reset', 'refuse', 'ok', 'reset', 'refuse']) {
      const { status } = await ask(gateway, { body: '{}' })
      expect([mode, status]).toEqual([mode, { ok: 200, reset: 502, refuse: 401 }[mode]])
    }
    expect((await ask(gateway, { body: Buffer.alloc(2000) })).status).toBe(413)
    mode = 'ok'
    expect((await ask(gateway)).status).toBe(200)
  })
})

describe('the share of one subject', () => {
  const waiting: ServerResponse[] = []
  async function setUp(limits: Partial<ShareLimits>) {
    waiting.length = 0
    const backend = await startBackend((_req, res) => {
      waiting.push(res)
    })
    return startGateway({
      instances: [backend.url],
      proxy: {
        limits: { ...LIMITS, inFlight: 100, ...limits },
        admission: createAdmission({
          verifyAccessToken: async token => claims({ subject: token }),
          now: () => NOW,
        }),
      },
    })
  }
  const reach = (count: number) => eventually(() => waiting.length === count, `${count} arrive`)

  test('is over with 429 and Retry-After, without touching that of others, until one is over', async () => {
    const gateway = await setUp({ inFlightPerSubject: 2 })
    const both = [open(gateway, { token: 'ann' }), open(gateway, { token: 'ann' })]
    await reach(2)
    const refused = await ask(gateway, { token: 'ann' })
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
    expect(refused.body).toContain('-32018')
    const other = open(gateway, { token: 'bob' })
    await reach(3)
    for (const res of waiting) res.end()
    for (const reply of [...(await Promise.all(both)), await other]) reply.resume()
    const next = open(gateway, { token: 'ann' })
    await reach(4)
    waiting[3]?.end()
    expect((await next).resume().statusCode).toBe(200)
    expect(gateway.log).toEqual([
      expect.objectContaining({ level: 'info', status: 429, failure: 'subjectOverloaded' }),
    ])
  })

  test.each<[string, Ask]>([
    ['GET', { method: 'GET' }],
    ['subscriptions/listen', { headers: { 'Mcp-Method': 'subscriptions/listen' }, body: '{}' }],
  ])('of streams is one of its own, and leaves calls alone: %s', async (_, stream) => {
    const gateway = await setUp({ streamsPerSubject: 1 })
    const opened = open(gateway, { ...stream, token: 'ann' })
    await reach(1)
    const refused = await ask(gateway, { ...stream, token: 'ann' })
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '30'])
    expect(refused.body).toContain('-32019')
    const [call, other] = [
      open(gateway, { token: 'ann' }),
      open(gateway, { ...stream, token: 'bob' }),
    ]
    await reach(3)
    for (const res of waiting) res.end()
    for (const reply of await Promise.all([opened, call, other])) reply.resume()
    const next = open(gateway, { ...stream, token: 'ann' })
    await reach(4)
    waiting[3]?.end()
    expect((await next).resume().statusCode).toBe(200)
  })

  test('is free again when the client has left', async () => {
    const gateway = await setUp({ streamsPerSubject: 1 })
    const head = ['GET /crm/mcp HTTP/1.1', 'Host: a', 'Authorization: Bearer ann', '', '']
    const client = new RawClient(gateway.port).send(...head)
    await reach(1)
    client.socket.destroy()
    await eventually(() => gateway.proxy.state().callsInFlight === 0, 'it is noticed')
    new RawClient(gateway.port).send(...head)
    await reach(2)
  })
})
