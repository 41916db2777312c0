import { describe, expect, test } from 'vitest'
import {
  ask,
  GOOD_TOKEN,
  RawClient,
  startBackend,
  startGateway,
  UPSTREAM_TOKEN,
} from './support.ts'

async function setUp(...args: Parameters<typeof startBackend>) {
  const backend = await startBackend(...args)
  return { backend, gateway: await startGateway({ instances: [backend.url] }) }
}

describe('a request reaches a backend', () => {
  test('with the upstream token in place of the client’s, and our own identity fields', async () => {
    const { backend, gateway } = await setUp()
    await ask(gateway, {
      headers: {
        ...{
          cookie: 'a=1',
          forwarded: 'for=evil',
          'x-forwarded-for': '127.0.0.1',
          x_request_id: 'evil',
        },
        ...{ 'X-Forwarded-Host': 'evil', 'x-request-id': 'evil', 'X-Forwarded-User': 'admin' },
      },
    })
    const flat = backend.seen[0]?.rawHeaders ?? []
    expect(flat.join('\n')).not.toMatch(/evil|admin|a=1/)
    expect(flat.join('\n')).not.toContain(GOOD_TOKEN)
    expect(backend.field('authorization')).toBe(`Bearer ${UPSTREAM_TOKEN}`)
    expect(backend.field('x-forwarded-for')).toBe('127.0.0.1')
    expect(backend.field('x-forwarded-proto')).toBe('https')
    expect(backend.field('x-forwarded-host')).toBe('mcp.example.com')
    expect(backend.field('x-request-id')).toMatch(/^[\w-]{22}$/)
    expect(`http://${backend.field('host')}/internal`).toBe(backend.url)
  })

  test('with what we inject, whatever its Connection nominates', async () => {
    const { backend, gateway } = await setUp()
    const nominated = 'close, authorization, x-forwarded-for, x-forwarded-host, x-request-id, host'
    await ask(gateway, { headers: { connection: `${nominated}, x-own`, 'x-own': '1' } })
    expect(backend.field('authorization')).toBe(`Bearer ${UPSTREAM_TOKEN}`)
    expect(backend.field('x-forwarded-for')).toBe('127.0.0.1')
    expect(backend.field('x-forwarded-host')).toBe('mcp.example.com')
    expect(backend.field('x-request-id')).toBeDefined()
    expect(backend.field('x-own')).toBeUndefined()
  })

  test('with the protocol’s fields and the body byte for byte', async () => {
    const { backend, gateway } = await setUp()
    const fields = [
      ...['Accept', 'application/json, text/event-stream', 'Mcp-Method', 'tools/call'],
      ...['Mcp-Name', '=?base64?w6k=?=', 'MCP-Protocol-Version', '2026-07-28'],
      ...['Mcp-Param-Region', 'eu', 'Last-Event-ID', '9', 'traceparent', '00-ab-cd-01'],
      ...['tracestate', 'v=1', 'Content-Type', 'application/json'],
    ]
    const body = Buffer.from([0, 255, 10, 13, 195, 40])
    await ask(gateway, { headers: fields, body })
    const flat = backend.seen[0]?.rawHeaders ?? []
    for (let i = 0; i < fields.length; i += 2) {
      const at = flat.indexOf(fields[i] ?? '')
      expect(flat[at + 1]).toBe(fields[i + 1])
    }
    expect(backend.seen[0]?.body).toBe(body.toString('latin1'))
    expect(backend.field('content-length')).toBe('6')
  })

  test('with the hops that trusted proxies have written', async () => {
    const backend = await startBackend()
    const proxy = { trustedProxies: ['127.0.0.0/8', '10.1.0.0/16'] }
    const gateway = await startGateway({ instances: [backend.url], proxy })
    const fields = ['X-Forwarded-For', 'invented, 203.0.113.9', 'X-Forwarded-For', '10.1.2.3']
    await ask(gateway, { headers: [...fields, 'X-Forwarded-Proto', 'http'] })
    expect(backend.field('x-forwarded-for')).toBe('203.0.113.9, 10.1.2.3, 127.0.0.1')
    expect(backend.field('x-forwarded-proto')).toBe('https')
  })

  test('with its query added to the instance’s own', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [`${backend.url}?tenant=a`] })
    await ask(gateway, { path: '/crm/mcp?x=%20y&x=2' })
    await ask(gateway, { path: '/crm/mcp?' })
    expect(backend.seen.map(seen => seen.url)).toEqual([
      '/internal?tenant=a&x=%20y&x=2',
      '/internal?tenant=a',
    ])
  })

  test.each(['GET', 'DELETE', 'HEAD', 'PUT'])('by %s as it is', async method => {
    const { backend, gateway } = await setUp((_req, res) => {
      res.writeHead(405, { allow: 'POST', 'content-type': 'application/json' })
      res.end(method === 'HEAD' ? undefined : '{"error":"no"}')
    })
    const reply = await ask(gateway, { method })
    expect(backend.seen[0]?.method).toBe(method)
    expect(reply.status).toBe(405)
    expect(reply.headers.allow).toBe('POST')
    expect(reply.body).toBe(method === 'HEAD' ? '' : '{"error":"no"}')
  })

  test('not by TRACE, whose answer would show the upstream token', async () => {
    const { backend, gateway } = await setUp()
    expect((await ask(gateway, { method: 'TRACE' })).status).toBe(405)
    expect(backend.seen).toEqual([])
  })

  test('in chunks, as one body of known length', async () => {
    const { backend, gateway } = await setUp()
    const client = new RawClient(gateway.port)
    client.send(
      ...['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`],
      ...['Transfer-Encoding: chunked', '', '3', 'abc', '2', 'de', '0', '', ''],
    )
    await client.until('HTTP/1.1 200 OK')
    expect(backend.seen[0]?.body).toBe('abcde')
    expect(backend.field('transfer-encoding')).toBeUndefined()
  })

  test('after 100 Continue, which comes only once it is admitted', async () => {
    const { backend, gateway } = await setUp()
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', 'Content-Length: 2', 'Expect: 100-continue']
    const stranger = new RawClient(gateway.port).send(...head, '', '')
    await stranger.closed
    expect(stranger.received).toMatch(/^HTTP\/1.1 401 /)
    const client = new RawClient(gateway.port)
    client.send(...head, `Authorization: Bearer ${GOOD_TOKEN}`, '', '')
    await client.until('HTTP/1.1 100 Continue\r\n\r\n')
    client.send('{}')
    await client.until('HTTP/1.1 200 OK')
    expect(backend.seen).toHaveLength(1)
    expect(backend.field('expect')).toBeUndefined()
  })

  test('side by side with others on one pipelined connection, answered in order', async () => {
    const { gateway } = await setUp((req, res) => res.end(`answer to ${req.url}`))
    const one = (n: number) =>
      `GET /crm/mcp?n=${n} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${GOOD_TOKEN}\r\n\r\n`
    const client = new RawClient(gateway.port).send(one(1) + one(2) + one(3))
    await client.until('n=3')
    expect(client.received.match(/n=\d/g)).toEqual(['n=1', 'n=2', 'n=3'])
  })
})

describe('a backend’s answer reaches the client', () => {
  test.each([200, 202, 400, 404, 405, 406, 409, 500, 503])(
    'with status %i and the body byte for byte',
    async status => {
      const bytes = Buffer.from([0x7b, 0xff, 0x00, 0x0a, 0xe2, 0x28, 0x7d])
      const { gateway } = await setUp((_req, res) => {
        res.writeHead(status, 'Own Words', { 'content-type': 'application/json', 'x-own': '1' })
        res.end(bytes)
      })
      const reply = await ask(gateway)
      expect(reply.status).toBe(status)
      expect(reply.body).toBe(bytes.toString('latin1'))
      expect(reply.headers['x-own']).toBe('1')
    },
  )

  test.each([
    ['empty', 0],
    ['small', 300],
    ['just below the limit of small', 16_383],
    ['just above', 16_384],
    ['large', 3_000_000],
  ])('whole when it is %s, with and without a declared length', async (_size, length) => {
    const text = 'x'.repeat(length)
    const { gateway } = await setUp((req, res) => {
      if (req.url?.includes('declared')) res.setHeader('content-length', length)
      res.write(text.slice(0, 1000))
      res.end(text.slice(1000))
    })
    for (const path of ['/crm/mcp?declared', '/crm/mcp?chunked']) {
      expect((await ask(gateway, { path })).body).toBe(text)
    }
  })

  test('with the time that its connection may rest, unless that ends', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.writeHead(200, { 'keep-alive': 'timeout=3' }).end('{}')
    })
    const ask = ['GET /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]
    const client = new RawClient(gateway.port).send(...ask, '', '')
    expect(await client.until('{}')).toMatch(/\r\nkeep-alive: timeout=75\r\n/i)
    const last = new RawClient(gateway.port).send(...ask, 'Connection: close', '', '')
    await last.closed
    expect(last.received).toContain('{}')
    expect(last.received).not.toMatch(/keep-alive/i)
  })

  test('in one segment with its head when it is small', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.setHeader('content-length', 5)
      res.write('sm')
      setImmediate(() => res.end('all'))
    })
    const client = new RawClient(gateway.port)
    const segments: string[] = []
    client.socket.on('data', chunk => segments.push(chunk.toString()))
    client.send('GET /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`, '', '')
    await client.until('small')
    expect(segments).toHaveLength(1)
  })

  test('without the fields that speak for our origin', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.writeHead(403, {
        ...{ 'www-authenticate': 'Bearer realm="inner"', 'set-cookie': ['a=1', 'b=2'] },
        ...{ server: 'inner', 'alt-svc': 'h3=":1"', 'strict-transport-security': 'max-age=0' },
        ...{ connection: 'x-hop', 'x-hop': '1', 'x-many': ['1', '2'] },
      })
      res.end()
    })
    const { headers } = await ask(gateway)
    for (const name of ['www-authenticate', 'set-cookie', 'server', 'alt-svc', 'x-hop']) {
      expect(headers[name]).toBeUndefined()
    }
    expect(headers['strict-transport-security']).toBeUndefined()
    expect(headers['x-many']).toBe('1, 2')
  })

  test('without a length where there is no content (RFC 9110 section 8.6)', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.writeHead(204, { 'content-length': '5', 'x-kept': '1' }).end()
    })
    const { status, headers } = await ask(gateway, { method: 'DELETE' })
    expect([status, headers['x-kept'], headers['content-length']]).toEqual([204, '1', undefined])
  })

  test('without its informational answers', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      res.end('done')
    })
    expect((await ask(gateway)).body).toBe('done')
  })

  test('and says once, loudly, that a backend keeps sessions', async () => {
    const { gateway } = await setUp((_req, res) => {
      res.setHeader('mcp-session-id', 's1')
      res.end()
    })
    expect((await ask(gateway)).headers['mcp-session-id']).toBe('s1')
    await ask(gateway)
    expect(gateway.log).toEqual([expect.objectContaining({ level: 'warn', backend: 'crm' })])
  })

  test('and leaves no line in the log at info', async () => {
    const { gateway } = await setUp()
    await ask(gateway)
    expect(gateway.log).toEqual([])
  })
})
