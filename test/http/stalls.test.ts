import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createListener } from '../../src/http/listener.ts'
import { eventually, RawClient } from '../proxy/support.ts'
import { waitFor } from '../support/wait-for.ts'

const STALL_MS = 300

async function setUp() {
  const refused: string[] = []
  const bodies: string[] = []
  const waiting: ServerResponse[] = []
  const listener = createListener({
    find: path => (path === '/wait' ? (_req, res) => waiting.push(res) : undefined),
    rest: (req, res) => {
      let body = ''
      req.on('data', chunk => {
        body += chunk
      })
      req.on('end', () => {
        bodies.push(body)
        res.end('taken')
      })
    },
    stallMs: STALL_MS,
    onRefused: reason => refused.push(reason),
  })
  const { port } = await listener.listen(0, '127.0.0.1')
  onTestFinished(() => listener.close(0))
  return { port, refused, bodies, waiting }
}

/** Does something again and again until the test is over. */
function every(ms: number, act: () => void): void {
  const timer = setInterval(act, ms)
  onTestFinished(() => clearInterval(timer))
}

describe('a client that stalls', () => {
  test.each([
    ['in a body of declared length', 'Content-Length: 1000000', 'x'],
    ['in chunks', 'Transfer-Encoding: chunked', '1\r\nx\r\n'],
  ])('%s, with a byte now and then, is told 408', async (_, framing, drop) => {
    const { port, refused, bodies } = await setUp()
    const client = new RawClient(port).send('POST / HTTP/1.1', 'Host: a', framing, '', '')
    const since = performance.now()
    every(20, () => client.socket.writable && client.send(drop))
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1.1 408 /)
    expect(performance.now() - since).toBeGreaterThanOrEqual(STALL_MS)
    expect(refused).toEqual(['slow_body'])
    expect(bodies).toEqual([])
  })

  test('a body that brings a KiB in each such time may take many of them', async () => {
    const { port, refused, bodies } = await setUp()
    const total = 20
    const client = new RawClient(port)
    client.send('POST / HTTP/1.1', 'Host: a', `Content-Length: ${total * 1100}`, '', '')
    const since = performance.now()
    let sent = 0
    every(STALL_MS / 4, () => {
      if (sent < total) client.send('x'.repeat(1100))
      sent += 1
    })
    await client.until('taken')
    expect(performance.now() - since).toBeGreaterThan(STALL_MS * 4)
    expect(bodies.map(body => body.length)).toEqual([total * 1100])
    expect(refused).toEqual([])
  })

  test('in reading is cut, and what is not sent yet is let go', async () => {
    const { port, refused, waiting } = await setUp()
    const client = new RawClient(port).send('GET /wait HTTP/1.1', 'Host: a', '', '')
    client.socket.pause()
    await eventually(() => waiting.length === 1, 'it arrives')
    const [res] = waiting
    let isClosed = false
    res?.once('close', () => {
      isClosed = true
    })
    res?.write(Buffer.alloc(20_000_000))
    await eventually(() => isClosed, 'it is cut')
    expect(refused).toEqual(['slow_reader'])
  })

  test('in reading, and reads on each time, gets all of it', async () => {
    const { port, refused, waiting } = await setUp()
    const total = 16_000_000
    const client = new RawClient(port).send('GET /wait HTTP/1.1', 'Host: a', '', '')
    client.socket.removeAllListeners('data')
    let received = 0
    client.socket.on('data', chunk => {
      received += chunk.byteLength
      client.socket.pause()
    })
    await eventually(() => waiting.length === 1, 'it arrives')
    const [res] = waiting
    const piece = Buffer.alloc(60_000)
    let left = total
    const pump = (): void => {
      while (left > 0) {
        left -= piece.byteLength
        if (!res?.write(piece)) return void res?.once('drain', pump)
      }
      res?.end()
    }
    const since = performance.now()
    pump()
    every(5, () => client.socket.resume())
    await waitFor(() => received >= total || refused.length > 0, {
      what: 'all of it to arrive',
      timeoutMs: 15_000,
    })
    expect(received).toBeGreaterThanOrEqual(total)
    expect(performance.now() - since).toBeGreaterThan(STALL_MS * 2)
    expect(refused).toEqual([])
  })

  test('is not one whose answer is waited for, however long', async () => {
    const { port, refused, waiting } = await setUp()
    const client = new RawClient(port).send('GET /wait HTTP/1.1', 'Host: a', '', '')
    await eventually(() => waiting.length === 1, 'it arrives')
    // Others show that the clock goes on.
    for (const _ of [1, 2]) {
      const slow = new RawClient(port).send(
        'POST / HTTP/1.1',
        'Host: a',
        'Content-Length: 9',
        '',
        '',
      )
      await slow.closed
    }
    expect(refused).toEqual(['slow_body', 'slow_body'])
    waiting[0]?.end('late')
    await client.until('late')
  })
})
