import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createListener } from '../../src/http/listener.ts'
import { IncomingRequest } from '../../src/proxy/incoming-request.ts'
import {
  eventually,
  GOOD_TOKEN,
  RawClient,
  slowAdmission,
  startBackend,
  startGateway,
} from './support.ts'

const HEAD = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${GOOD_TOKEN}`]
const BODY = '{"jsonrpc":"2.0","id":1,"method":"tools/call"}'
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

/** So that the token is known, and nothing waits for it. */
async function call(port: number): Promise<void> {
  const client = new RawClient(port).send(...HEAD, 'Content-Length: 2', '', '{}')
  await client.until('"result"')
}

describe('the body of a call', () => {
  test.each([
    ['in one piece', `Content-Length: ${BODY.length}`, [BODY]],
    ['byte by byte', `Content-Length: ${BODY.length}`, [...BODY]],
    ['in chunks', 'Transfer-Encoding: chunked', [...[...BODY].map(chunked), chunked('')]],
    ['in one chunk', 'Transfer-Encoding: chunked', [chunked(BODY) + chunked('')]],
  ])('arrives whole when it comes %s', async (_how, framing, pieces) => {
    const backend = await startBackend()
    const { port } = await startGateway({ instances: [backend.url] })
    await call(port)
    const client = new RawClient(port)
    client.socket.setNoDelay()
    client.send(...HEAD, framing, '', '')
    for (const piece of pieces) {
      await sleep(1)
      client.send(piece)
    }
    await client.until('"result"')
    expect(String(backend.seen[1]?.body)).toBe(BODY)
    expect(backend.seen).toHaveLength(2)
  })

  test('arrives whole when a part of it came before the token was verified', async () => {
    const backend = await startBackend()
    const { admission, isAsked, verify } = slowAdmission()
    const { port } = await startGateway({ instances: [backend.url], proxy: { admission } })
    const framing = `Content-Length: ${BODY.length}`
    const client = new RawClient(port).send(...HEAD, framing, '', BODY.slice(0, 10))
    await isAsked()
    await sleep(20)
    verify()
    await sleep(20)
    client.send(BODY.slice(10))
    await client.until('"result"')
    expect(String(backend.seen[0]?.body)).toBe(BODY)
  })

  test('of two calls sent at once belongs to its own call', async () => {
    const backend = await startBackend()
    const { port } = await startGateway({ instances: [backend.url] })
    await call(port)
    const two = ['{"a":1}', '{"b":22}'].flatMap(body => [
      ...[...HEAD, `Content-Length: ${body.length}`, ''],
      body,
    ])
    const text = two.join('\r\n').replace('{"a":1}\r\n', '{"a":1}')
    const client = new RawClient(port).send(text)
    await eventually(() => client.received.split('"result"').length === 3, 'both are answered')
    expect(
      backend.seen
        .slice(1)
        .map(({ body }) => String(body))
        .toSorted(),
    ).toEqual(['{"a":1}', '{"b":22}'])
  })

  test('is no request of its own behind one that asks for an upgrade', async () => {
    const backend = await startBackend()
    const { port } = await startGateway({ instances: [backend.url] })
    await call(port)
    const inner = [...HEAD, 'Content-Length: 5', '', 'inner'].join('\r\n')
    const upgrade = [...HEAD, 'Connection: upgrade', 'Upgrade: h2c', 'Content-Length: 1', '', 'a']
    const outer = [...HEAD, `Content-Length: ${inner.length}`, '', ''].join('\r\n')
    const client = new RawClient(port).send(upgrade.join('\r\n') + outer)
    await client.until('HTTP/1.1 200 ')
    client.send(inner)
    await client.closed
    expect(client.received.toLowerCase()).toContain('connection: close')
    expect(backend.seen.slice(1).map(({ body }) => body)).toEqual(['a'])
  })

  test('that brings next to nothing ends the call with 408', async () => {
    const backend = await startBackend()
    const refused: string[] = []
    const { port, proxy } = await startGateway({
      instances: [backend.url],
      listener: { stallMs: 200, onRefused: reason => refused.push(reason) },
    })
    await call(port)
    const client = new RawClient(port).send(...HEAD, 'Content-Length: 1000', '', '{')
    const drops = setInterval(() => client.socket.writable && client.send(' '), 20)
    onTestFinished(() => clearInterval(drops))
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /)
    expect(refused).toEqual(['slow_body'])
    await eventually(() => proxy.state().callsInFlight === 0, 'the call ends')
    expect(backend.seen).toHaveLength(1)
  })

  test('is not sent on when what follows it breaks the connection', async () => {
    const backend = await startBackend()
    const { port, proxy } = await startGateway({ instances: [backend.url] })
    await call(port)
    const client = new RawClient(port)
    client.send(...HEAD, 'Content-Length: 2', '', '{}\x00 no request\r\n\r\n')
    await client.closed
    await eventually(() => proxy.state().callsInFlight === 0, 'the call ends')
    expect(backend.seen).toHaveLength(1)
  })

  test('too large is thrown away, and the client reads why', async () => {
    const backend = await startBackend()
    const { port } = await startGateway({ instances: [backend.url] })
    await call(port)
    const client = new RawClient(port).send(...HEAD, 'Transfer-Encoding: chunked', '', '')
    for (let sent = 0; sent < 40; sent += 1) client.send(chunked('x'.repeat(8000)))
    client.send(chunked(''))
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1\.1 413 /)
    expect(backend.seen).toHaveLength(1)
  })
})

test('a body that nobody takes is a stream', async () => {
  const listener = createListener({
    find: () => undefined,
    rest: async (req, res) => {
      let body = ''
      for await (const piece of req) body += piece
      res.end(body.toUpperCase())
    },
    requestClass: IncomingRequest,
  })
  const { port } = await listener.listen(0, '127.0.0.1')
  onTestFinished(() => listener.close(0))
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'a body' })
  expect(await response.text()).toBe('A BODY')
})
