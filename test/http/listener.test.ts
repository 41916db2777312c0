import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createListener, type ListenerOptions } from '../../src/http/listener.ts'
import { eventually, RawClient } from '../proxy/support.ts'

async function setUp(options: Partial<ListenerOptions> = {}) {
  const seen: string[] = []
  const waiting: ServerResponse[] = []
  const listener = createListener({
    find: path =>
      path === '/mcp'
        ? (req, res) => {
            seen.push(`mcp ${req.url}`)
            waiting.push(res)
          }
        : undefined,
    rest: (req, res) => {
      seen.push(`rest ${req.url}`)
      req.resume()
      res.end('rest')
    },
    ...options,
  })
  const { port } = await listener.listen(0, '127.0.0.1')
  onTestFinished(() => listener.close(0))
  return { listener, port, seen, waiting }
}

describe('routing', () => {
  test('hands exact paths to their handler, with any query, and everything else to the rest', async () => {
    const { port, seen } = await setUp()
    for (const target of ['/mcp', '/mcp?a=/x', '/mcp/', '/', '/mcp%3fa']) {
      const client = new RawClient(port).send(`GET ${target} HTTP/1.1`, 'Host: a', '', '')
      const known = seen.length
      await eventually(() => seen.length > known, 'it is seen')
      client.socket.destroy()
    }
    expect(seen).toEqual(['mcp /mcp', 'mcp /mcp?a=/x', 'rest /mcp/', 'rest /', 'rest /mcp%3fa'])
  })
})

describe('RFC 9112: a malformed request is refused and reaches no handler', () => {
  const LONG = 'x'.repeat(20_000)

  test.each([
    [
      'Content-Length and Transfer-Encoding',
      400,
      ['Content-Length: 3', 'Transfer-Encoding: chunked', '', '0', '', ''],
    ],
    ['two Content-Length fields', 400, ['Content-Length: 3', 'Content-Length: 4', '', 'abcd']],
    ['a list of lengths', 400, ['Content-Length: 3, 3', '', 'abc']],
    ['a signed length', 400, ['Content-Length: +3', '', 'abc']],
    ['a folded field', 400, ['X-A: 1', ' folded', '', '']],
    ['a blank before the colon', 400, ['Transfer-Encoding : chunked', '', '0', '', '']],
    [
      'an unknown transfer coding at the end',
      400,
      ['Transfer-Encoding: chunked, gzip', '', '0', '', ''],
    ],
    ['a bare line feed in a field', 400, ['X-A: 1\nTransfer-Encoding: chunked\n\n', '', '']],
    ['a NUL in a field', 400, ['X-A: a\0b', '', '']],
    ['a huge field', 431, [`X-A: ${LONG}`, '', '']],
    ['very many fields', 431, [...Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`), '', '']],
  ])('%s: %i', async (_shape, status, lines) => {
    const { port, seen } = await setUp()
    const client = new RawClient(port).send('POST /mcp HTTP/1.1', 'Host: a', ...lines)
    await client.closed
    expect(client.received).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(client.received).not.toMatch(/at |Error|HPE_/)
    expect(seen).toEqual([])
  })

  test.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['no Host', 'POST /mcp HTTP/1.1\r\n\r\n'],
    ['two Host fields', 'POST /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00'],
    ['another version', 'POST /mcp HTTP/3.7\r\nHost: a\r\n\r\n'],
  ])('%s', async (shape, text) => {
    const { port, seen } = await setUp()
    const client = new RawClient(port).send(text)
    if (shape === 'no Host') await client.until('400')
    else await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 (400|505) /)
    expect(seen).toEqual([])
  })

  test('a bad chunk in the middle of a body ends the request', async () => {
    const { port, waiting } = await setUp()
    const client = new RawClient(port)
    client.send('POST /mcp HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', '3', 'abc', '')
    await eventually(() => waiting.length === 1, 'the head arrives')
    client.send('zz', 'abc', '')
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 400 /)
  })

  test('no text is written into an answer that has begun', async () => {
    const { port, waiting } = await setUp()
    const client = new RawClient(port).send(
      'POST /mcp HTTP/1.1',
      'Host: a',
      'Transfer-Encoding: chunked',
      '',
      '',
    )
    await eventually(() => waiting.length === 1, 'the head arrives')
    waiting[0]?.writeHead(200).write('begun')
    await client.until('begun')
    client.send('zz', '')
    await client.closed
    expect(client.received).not.toContain('400')
  })

  test('a head that comes too slowly is refused with 408', async () => {
    const { port } = await setUp({ stallMs: 50 })
    const client = new RawClient(port).send('GET /mcp HTTP/1.1\r\nHost:')
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 408 /)
  })
})

describe('keep-alive', () => {
  test('ends a connection on which nothing has come for so long, and none before', async () => {
    const { port } = await setUp({ keepAliveMs: 200 })
    const client = new RawClient(port).send('GET / HTTP/1.1', 'Host: a', '', '')
    await client.until('rest')
    // Each of these begins the wait anew, the part of a request too.
    for (const piece of ['GET / HTTP/1.1\r\n', 'Host: a\r\n', 'X: y\r\n\r\n']) {
      await pause(150)
      client.send(piece)
    }
    await eventually(() => client.received.split('rest').length === 3, 'both answers')
    const answeredAt = performance.now()
    await client.closed
    expect(performance.now() - answeredAt).toBeGreaterThanOrEqual(200)
    expect(performance.now() - answeredAt).toBeLessThan(1000)
    expect(client.received.match(/HTTP\/1\.1 200 /g)).toHaveLength(2)
  })

  test('does not end a connection whose answer takes longer', async () => {
    const { port, waiting } = await setUp({ keepAliveMs: 40 })
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'the request arrives')
    await pause(200)
    waiting[0]?.end('whole')
    await client.until('whole')
  })

  test('lets an answer take longer than a request may', async () => {
    const { port, waiting } = await setUp({ stallMs: 40, requestTimeoutMs: 40 })
    const idle = new RawClient(port).send('GET /m')
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await idle.closed
    await eventually(() => waiting.length === 1, 'the request arrives')
    const slow = new RawClient(port).send('GET /m')
    await slow.closed
    waiting[0]?.end('late')
    await client.until('late')
  })
})

describe('closing', () => {
  test('ends idle connections soon, used or not', async () => {
    const { listener, port } = await setUp()
    const used = new RawClient(port).send('GET / HTTP/1.1', 'Host: a', '', '')
    const unused = new RawClient(port)
    await used.until('rest')
    await eventually(() => !unused.socket.connecting, 'it is connected')
    await listener.close(60_000)
    await Promise.all([used.closed, unused.closed])
  })

  test.each(['used before', 'unused'])(
    'still answers what comes on an idle connection in that moment: %s',
    async kind => {
      const { listener, port } = await setUp()
      const client = new RawClient(port)
      if (kind === 'unused') await once(client.socket, 'connect')
      else await client.send('GET / HTTP/1.1', 'Host: a', '', '').until('rest')
      await new Promise(resolve => setImmediate(resolve))
      client.received = ''
      const closing = listener.close(60_000)
      client.send('GET / HTTP/1.1', 'Host: a', '', '')
      await client.closed
      expect(client.received).toMatch(/^HTTP\/1.1 200 .*connection: close\r\n.*rest$/is)
      await closing
    },
  )

  test('answers what is in flight, and says that the connection ends', async () => {
    const { listener, port, waiting } = await setUp()
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'it is in flight')
    const closing = listener.close(60_000)
    waiting[0]?.writeHead(200, ['x-many', '1', 'x-many', '2', 'content-length', '4'])
    waiting[0]?.end('done')
    await closing
    await client.closed
    expect(client.received).toMatch(/connection: close\r\n/i)
    expect(client.received.match(/x-many/g)).toHaveLength(2)
    expect(client.received).toMatch(/done$/)
  })

  test('waits for a stream that goes on, and ends its connection after it', async () => {
    const { listener, port, waiting } = await setUp()
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'it is in flight')
    waiting[0]?.write('begun')
    const closing = listener.close(60_000)
    waiting[0]?.end('ended')
    await closing
    await client.closed
    expect(client.received).toContain('ended')
  })

  test('accepts no new connection', async () => {
    const { listener, port, waiting } = await setUp()
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'it is in flight')
    const closing = listener.close(60_000)
    const late = new RawClient(port).send('GET / HTTP/1.1', 'Host: a', '', '')
    await late.closed
    expect(late.received).toBe('')
    waiting[0]?.end()
    await Promise.all([closing, client.closed])
  })

  test('breaks what is left at the deadline', async () => {
    const { listener, port, waiting } = await setUp()
    const client = new RawClient(port).send('GET /mcp HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'it is in flight')
    waiting[0]?.write('begun')
    await listener.close(50)
    await client.closed
    expect(client.received).toContain('begun')
  })
})
