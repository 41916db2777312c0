import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createListener, type ListenerOptions, type TlsMaterial } from '../../src/http/listener.ts'
import { type Certificate, createSelfSigned } from '../support/self-signed.ts'

const HOST = 'localhost'
const FIRST = createSelfSigned([HOST])
const SECOND = createSelfSigned([HOST])
const STRANGER = createSelfSigned(['stranger'])

async function setUp(tls: TlsMaterial = FIRST, options: Partial<ListenerOptions> = {}) {
  const seen: string[] = []
  const listener = createListener({
    find: () => undefined,
    rest: (req, res) => {
      seen.push(req.url ?? '')
      req.resume().on('end', () => res.end('hello'))
    },
    tls,
    ...options,
  })
  const { port } = await listener.listen(0, '127.0.0.1')
  onTestFinished(() => listener.close(0))
  return { listener, port, seen }
}

async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    ...{ port, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false },
    ...options,
  })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** How a connection ended that was refused; sometimes only the first read tells. */
function refusalOf(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: HOST, ca: FIRST.cert, ...options })
  return new Promise((resolve, reject) => {
    socket.on('error', error => resolve('code' in error ? String(error.code) : error.message))
    socket.on('data', data => reject(new Error(`answered: ${data}`)))
    socket.on('end', () => resolve('ended'))
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
  })
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET /again HTTP/1.1\r\nHost: a\r\n\r\n')
  const [data] = await once(socket, 'data')
  return String(data)
}

function get(agent: Agent, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const req = request({ agent, port, host: '127.0.0.1', servername: HOST }, res => {
      res.resume().on('end', () => resolve(res.statusCode))
    })
    req.on('error', reject).end()
  })
}

describe('a listener with TLS', () => {
  test('answers over TLS 1.2 and 1.3, in HTTP/1.1 and nothing else', async () => {
    const { port } = await setUp()
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const limits = { minVersion: version, maxVersion: version }
      const socket = await open(port, { ...limits, ALPNProtocols: ['h2', 'http/1.1'] })
      expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, 'http/1.1'])
      expect(await ask(socket)).toMatch(/^HTTP\/1.1 200 /)
    }
    expect(await refusalOf(port, { ALPNProtocols: ['h2'] })).toMatch(/NO_APPLICATION_PROTOCOL/)
  })

  test('speaks no older version, and not with somebody who speaks no TLS', async () => {
    const { port, seen } = await setUp()
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    expect(await refusalOf(port, old)).toMatch(/PROTOCOL_VERSION|ended|ECONNRESET/)
    const plain = connectPlain(port, '127.0.0.1')
    let received = ''
    plain.on('data', data => {
      received += data
    })
    plain.on('error', () => {})
    plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(plain, 'close')
    expect([received, seen]).toEqual(['', []])
  })

  test('has the limits of a plain one: long heads, several hosts, malformed requests', async () => {
    const { port, seen } = await setUp()
    const cases = [
      [431, `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`],
      [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
      [400, 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc'],
    ] as const
    for (const [status, text] of cases) {
      const socket = await open(port)
      socket.write(text)
      const [data] = await once(socket, 'data')
      expect(String(data)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    }
    expect(seen).toEqual([])
  })

  test('cuts a slow head off', async () => {
    const { port } = await setUp(FIRST, { stallMs: 200 })
    const socket = await open(port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    const [data] = await once(socket, 'data')
    expect(String(data)).toMatch(/^HTTP\/1.1 408 /)
  })
})

describe('a certificate that is renewed', () => {
  test('is shown to new connections; open ones go on, and no request fails', async () => {
    const { listener, port } = await setUp()
    const old = await open(port)
    const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false })
    onTestFinished(() => agent.destroy())
    const statuses: (number | undefined)[] = []
    let isOver = false
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) statuses.push(await get(agent, port))
    })
    for (const [round, material] of [SECOND, FIRST, SECOND].entries()) {
      listener.renewTls(material)
      const fresh = await open(port)
      expect(fingerprintOf(fresh)).toBe(fingerprint(material))
      while (statuses.length < (round + 1) * 50) await get(agent, port)
    }
    isOver = true
    await Promise.all(load)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(fingerprintOf(old)).toBe(fingerprint(FIRST))
    expect(await ask(old)).toMatch(/^HTTP\/1.1 200 /)
  })

  test('that does not fit its key changes nothing', async () => {
    const { listener, port } = await setUp()
    expect(() => listener.renewTls({ cert: SECOND.cert, key: FIRST.key })).toThrow()
    const socket = await open(port)
    expect(fingerprintOf(socket)).toBe(fingerprint(FIRST))
    expect(await ask(socket)).toMatch(/^HTTP\/1.1 200 /)
  })
})

describe('a client authority', () => {
  const mutual = { ...FIRST, clientCa: SECOND.cert }

  test('lets in only callers with one of its certificates', async () => {
    const { port, seen } = await setUp(mutual)
    const socket = await open(port, SECOND)
    expect(await ask(socket)).toMatch(/^HTTP\/1.1 200 /)
    for (const versions of [{}, { maxVersion: 'TLSv1.2' }] as const) {
      expect(await refusalOf(port, versions)).toMatch(
        /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|ended|ECONNRESET/,
      )
      expect(await refusalOf(port, { ...versions, ...STRANGER })).toMatch(
        /ALERT|UNKNOWN_CA|ended|ECONNRESET/,
      )
    }
    expect(seen).toEqual(['/again'])
  })

  test('can be renewed too', async () => {
    const { listener, port } = await setUp(mutual)
    listener.renewTls({ ...FIRST, clientCa: STRANGER.cert })
    expect(await ask(await open(port, STRANGER))).toMatch(/^HTTP\/1.1 200 /)
    expect(await refusalOf(port, SECOND)).toMatch(/ALERT|UNKNOWN_CA|ended|ECONNRESET/)
  })
})

describe('the end', () => {
  test('breaks connections that never spoke at once, and handshakes at the deadline', async () => {
    const { listener, port } = await setUp()
    const silent = connectPlain(port, '127.0.0.1')
    const halfway = connectPlain(port, '127.0.0.1')
    for (const socket of [silent, halfway]) socket.on('error', () => {})
    await Promise.all([once(silent, 'connect'), once(halfway, 'connect')])
    halfway.write('\x16\x03\x01')
    const idle = await open(port)
    expect(await ask(idle)).toMatch(/^HTTP\/1.1 200 /)
    const closed = Promise.all([once(silent, 'close'), once(halfway, 'close'), once(idle, 'close')])
    await listener.close(300)
    await closed
  }, 5000)
})

function fingerprintOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.fingerprint256 ?? ''
}

function fingerprint({ cert }: Certificate): string {
  return new X509Certificate(cert).fingerprint256
}
