import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RepeatReason } from '../../src/proxy/backend-observer.ts'
import type { FreshToken } from '../../src/upstream/fresh-token.ts'
import {
  ask,
  DEAF,
  deadUrl,
  GOOD_TOKEN,
  open,
  RawClient,
  startBackend,
  startGateway,
  TIMEOUTS,
  UPSTREAM_TOKEN,
  usable,
} from './support.ts'

const CALL = {
  headers: { 'mcp-method': 'tools/call' },
  body: '{"method":"tools/call","params":{"name":"pay"}}',
}

/** A backend of bare TCP that does with each connection what the test says. */
async function startRaw(
  onRequest: (socket: Socket, text: string) => void,
): Promise<{ url: string; requests: number }> {
  const raw = { url: '', requests: 0 }
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', chunk => {
      raw.requests += 1
      onRequest(socket, chunk.toString())
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  raw.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/internal`
  return raw
}

describe('a request of which nothing was sent', () => {
  test('goes to another instance, body and all', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [await deadUrl(), backend.url, await deadUrl()],
    })
    for (let time = 0; time < 10; time += 1) expect((await ask(gateway, CALL)).status).toBe(200)
    expect(backend.seen).toHaveLength(10)
    expect(backend.seen.every(seen => seen.body === CALL.body)).toBe(true)
  })

  test('is answered with 502 when no instance can be reached', async () => {
    const gateway = await startGateway({ instances: [await deadUrl(), await deadUrl()] })
    const reply = await ask(gateway, CALL)
    expect(reply.status).toBe(502)
    expect(JSON.parse(reply.body).error.code).toBe(-32011)
    expect(gateway.log.filter(line => line.failure !== undefined)).toHaveLength(1)
  })

  test('no longer meets an instance that has refused five in a row', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [await deadUrl(), backend.url],
      proxy: { random: () => 0 },
    })
    for (let time = 0; time < 8; time += 1) await ask(gateway, CALL)
    expect(gateway.log.map(line => line.msg)).toEqual(['instance ejected'])
  })
})

test('a request that cannot be sent to anybody counts against no instance', async () => {
  const backend = await startBackend()
  const other = await startBackend()
  const gateway = await startGateway({
    instances: [backend.url, other.url],
    tokens: { peek: () => usable('bad\nfield: value') },
  })
  for (let time = 0; time < 12; time += 1) expect((await ask(gateway, CALL)).status).toBe(500)
  const states = gateway.proxy.state().backends[0]?.instances.map(({ state }) => state)
  expect(states).toEqual(['serving', 'serving'])
  expect([...backend.seen, ...other.seen]).toEqual([])
})

describe('a request that may have reached a backend', () => {
  test.each([
    ['the connection is reset', (socket: Socket) => socket.resetAndDestroy()],
    ['the connection is closed', (socket: Socket) => socket.end()],
    ['the answer is no HTTP', (socket: Socket) => socket.end('hello\r\n\r\n')],
    ['the head is cut', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-')],
  ])('is never sent again: %s', async (_how, misbehave) => {
    const raws = await Promise.all([startRaw(misbehave), startRaw(misbehave)])
    const gateway = await startGateway({ instances: raws.map(raw => raw.url) })
    const reply = await ask(gateway, CALL)
    expect(reply.status).toBe(502)
    expect(raws.reduce((sum, raw) => sum + raw.requests, 0)).toBe(1)
  })

  test('is never sent again when a used connection breaks under it', async () => {
    let isBroken = false
    const raw = await startRaw(socket => {
      if (isBroken) socket.resetAndDestroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
    })
    const gateway = await startGateway({ instances: [raw.url] })
    expect((await ask(gateway, CALL)).status).toBe(200)
    isBroken = true
    expect((await ask(gateway, CALL)).status).toBe(502)
    expect(raw.requests).toBe(2)
  })

  test('is answered with 504 when no head comes in time, and not sent again', async () => {
    const raw = await startRaw(() => {})
    const gateway = await startGateway({
      instances: [raw.url, raw.url],
      backend: { timeouts: { ...TIMEOUTS, headersMs: 150 } },
    })
    const reply = await ask(gateway, CALL)
    expect(reply.status).toBe(504)
    expect(raw.requests).toBe(1)
  })

  test('is not sent again after a 503 of the backend, which passes as it is', async () => {
    const backend = await startBackend((_req, res) => {
      res.writeHead(503)
      res.end('busy')
    })
    const gateway = await startGateway({ instances: [backend.url, backend.url] })
    expect(await ask(gateway, CALL)).toMatchObject({ status: 503, body: 'busy' })
    expect(backend.seen).toHaveLength(1)
  })
})

describe('a request whose upstream token a backend refuses', () => {
  const isFresh = (authorization: string | undefined): boolean => authorization === 'Bearer fresh'

  async function setUp(next: FreshToken, accepts: (authorization: string | undefined) => boolean) {
    const asked: string[][] = []
    const backend = await startBackend((req, res) => {
      res.writeHead(accepts(req.headers.authorization) ? 200 : 401, {
        'www-authenticate': 'Bearer inner',
      })
      res.end('inner')
    })
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: {
        resolveAfterRejection: async (grantId, rejected) => {
          asked.push([grantId, rejected])
          return next
        },
      },
    })
    return { backend, gateway, asked }
  }

  test('goes out exactly once more, with another token and the same body', async () => {
    const { backend, gateway, asked } = await setUp(usable('fresh'), isFresh)
    const reply = await ask(gateway, CALL)
    expect(reply).toMatchObject({ status: 200, body: 'inner' })
    expect(asked).toEqual([['grant-1', UPSTREAM_TOKEN]])
    expect(backend.seen.map(seen => seen.body)).toEqual([CALL.body, CALL.body])
  })

  test('gets our challenge after the second refusal, and nothing of the backend’s', async () => {
    const { backend, gateway } = await setUp(usable('fresh'), () => false)
    const reply = await ask(gateway, CALL)
    expect(reply.status).toBe(401)
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token"/)
    expect(reply.body).not.toContain('inner')
    expect(backend.seen).toHaveLength(2)
  })

  test.each([
    [{ outcome: 'gone', reason: 'dead' }, 401],
    [{ outcome: 'unavailable', reason: 'down', retryAfterSeconds: 2 }, 503],
  ] satisfies Array<[FreshToken, number]>)('is answered by %j with %i', async (next, status) => {
    const { backend, gateway } = await setUp(next, isFresh)
    expect((await ask(gateway, CALL)).status).toBe(status)
    expect(backend.seen).toHaveLength(1)
  })

  test('is answered even where the refusal never ends', async () => {
    const backend = await startBackend((req, res) => {
      if (isFresh(req.headers.authorization)) res.end('done')
      else res.writeHead(401).write('on and on')
    })
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: { resolveAfterRejection: async () => usable('fresh') },
    })
    expect((await ask(gateway, CALL)).body).toBe('done')
  })

  test('is not sent again when its client has left meanwhile', async () => {
    const token = Promise.withResolvers<FreshToken>()
    const asked = Promise.withResolvers<void>()
    const backend = await startBackend((req, res) => {
      res.writeHead(isFresh(req.headers.authorization) ? 200 : 401)
      res.end(req.url)
    })
    const gateway = await startGateway({
      instances: [backend.url],
      proxy: { limits: { bodyBytes: 100, inFlight: 1, streams: 1 } },
      tokens: {
        peek: () => usable(backend.seen.length > 0 ? 'fresh' : 'stale'),
        resolveAfterRejection: () => {
          asked.resolve()
          return token.promise
        },
      },
    })
    const client = new RawClient(gateway.port)
    client.send(
      'POST /crm/mcp?left HTTP/1.1',
      'Host: a',
      'Content-Length: 0',
      `Authorization: Bearer ${GOOD_TOKEN}`,
      '',
      '',
    )
    await asked.promise
    client.socket.destroy()
    let status = 503
    while (status === 503)
      status = (await open(gateway, { path: '/crm/mcp?next' })).resume().statusCode ?? 0
    token.resolve(usable('fresh'))
    expect((await ask(gateway, { path: '/crm/mcp?last' })).status).toBe(200)
    expect(backend.seen.map(seen => seen.url.split('?')[1])).toEqual(['left', 'next', 'last'])
  })
})

describe('a request that only reads', () => {
  const READ = { body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }
  const breaks = (socket: Socket) => socket.resetAndDestroy()

  /** An instance that misbehaves, and one that answers; the first is chosen first. */
  async function setUp(misbehave: (socket: Socket) => void, proxy = {}) {
    const raw = await startRaw(misbehave)
    const good = await startBackend()
    const told: [RepeatReason, boolean][] = []
    const gateway = await startGateway({
      instances: [raw.url, good.url],
      backend: { timeouts: { ...TIMEOUTS, headersMs: 150 } },
      proxy: {
        random: () => 0,
        observe: () => ({ ...DEAF, repeated: (...one) => void told.push(one) }),
        ...proxy,
      },
    })
    return { raw, good, told, gateway }
  }

  test.each([
    ['the connection is reset', 'lost', breaks],
    ['the answer is no HTTP', 'lost', (socket: Socket) => socket.end('hello\r\n\r\n')],
    [
      'a small answer is cut',
      'lost',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{'),
    ],
    ['no head comes in time', 'late', () => {}],
    ...[502, 503, 504].map(
      status =>
        [
          `it answers ${status}`,
          'unavailable',
          (socket: Socket) => socket.write(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`),
        ] as const,
    ),
  ] as const)('goes to another instance where %s', async (_how, reason, misbehave) => {
    const { raw, good, told, gateway } = await setUp(misbehave)
    expect((await ask(gateway, READ)).status).toBe(200)
    expect([raw.requests, good.seen.length]).toEqual([1, 1])
    expect(good.seen[0]?.body).toBe(READ.body)
    expect(told).toEqual([[reason, true]])
    expect(gateway.log).toMatchObject([{ msg: 'sent once more', reason }])
  })

  test.each([
    'initialize',
    'server/discover',
    'resources/read',
    'prompts/get',
    'completion/complete',
  ])('is %s among others', async method => {
    const { good, gateway } = await setUp(breaks)
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method })
    expect((await ask(gateway, { body })).status).toBe(200)
    expect(good.seen).toHaveLength(1)
  })

  test.each([
    ['tools/call', CALL.body, {}],
    ['a call that its header calls a list', CALL.body, { 'mcp-method': 'tools/list' }],
    ['a notification', '{"method":"notifications/cancelled"}', {}],
    ['a method that nobody knows', '{"method":"acme/do"}', {}],
    ['a response', '{"jsonrpc":"2.0","id":1,"result":{}}', {}],
    ['several messages in one', '[{"method":"tools/list"}]', {}],
    ['two methods in one', '{"method":"tools/list","method":"tools/call"}', {}],
    ['no JSON', 'tools/list', {}],
    ['a compressed body', READ.body, { 'content-encoding': 'gzip' }],
    ['a body in another charset', READ.body, { 'content-type': 'application/json; charset=utf-7' }],
    [
      'a list that its header calls a call',
      READ.body,
      { 'mcp-method': 'tools/call', 'mcp-protocol-version': '2026-07-28' },
    ],
  ])('is not %s', async (_what, body, headers) => {
    const { good, gateway, told } = await setUp(breaks)
    expect((await ask(gateway, { body, headers })).status).toBe(502)
    expect(good.seen).toHaveLength(0)
    expect(told).toEqual([])
  })

  test('is not GET with a body', async () => {
    const { good, gateway } = await setUp(breaks)
    const headers = { 'x-http-method-override': 'POST' }
    expect((await ask(gateway, { method: 'GET', body: CALL.body, headers })).status).toBe(502)
    expect(good.seen).toHaveLength(0)
  })

  test('is sent once more and not twice more', async () => {
    const raws = await Promise.all([startRaw(breaks), startRaw(breaks), startRaw(breaks)])
    const gateway = await startGateway({ instances: raws.map(raw => raw.url) })
    expect((await ask(gateway, READ)).status).toBe(502)
    expect(raws.reduce((sum, raw) => sum + raw.requests, 0)).toBe(2)
  })

  test('meets its only instance again where the connection broke, but not after its 503', async () => {
    let answers = 0
    const backend = await startBackend((req, res) => {
      answers += 1
      if (answers === 1) req.socket.resetAndDestroy()
      else res.writeHead(answers === 2 ? 200 : 503).end('it')
    })
    const gateway = await startGateway({ instances: [backend.url] })
    expect((await ask(gateway, READ)).status).toBe(200)
    expect((await ask(gateway, READ)).status).toBe(503)
    expect(answers).toBe(3)
  })

  test('is not sent once more when a part of its answer is out', async () => {
    const { good, gateway } = await setUp(socket =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{'),
    )
    const reply = await open(gateway, READ)
    await expect(reply.toArray()).rejects.toThrow('aborted')
    expect(good.seen).toHaveLength(0)
  })

  test('is told what went wrong when the budget of its backend is spent', async () => {
    const { told, gateway, good } = await setUp(breaks, { random: () => 0.999 })
    for (let time = 0; time < 40; time += 1) await ask(gateway, READ)
    // The instance is ejected after five.
    expect(told.every(([, isGranted]) => isGranted)).toBe(true)
    expect(good.seen).toHaveLength(40)
    const raws = await Promise.all([startRaw(breaks), startRaw(breaks)])
    const results: boolean[] = []
    const failing = await startGateway({
      instances: raws.map(raw => raw.url),
      proxy: { observe: () => ({ ...DEAF, repeated: (_, granted) => void results.push(granted) }) },
    })
    for (let time = 0; time < 15; time += 1) await ask(failing, READ)
    expect(results.filter(isGranted => isGranted)).toHaveLength(10)
    expect(results.filter(isGranted => !isGranted)).toHaveLength(5)
    expect(raws.reduce((sum, raw) => sum + raw.requests, 0)).toBe(25)
  })
})
