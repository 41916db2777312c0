import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Network } from '../../src/http/guarded-connector.ts'
import { createGuardedFetch, type GuardedFetchOptions } from '../../src/http/guarded-fetch.ts'
import { isPublicAddress } from '../../src/http/public-address.ts'
import {
  DOCUMENT_HOST,
  type DocumentServer,
  type InternalServer,
  knock,
  startDocumentServer,
  startInternalServer,
} from '../support/document-server.ts'
import { waitFor } from '../support/wait-for.ts'

const MAX = 5 * 1024

let server: DocumentServer
let internal: InternalServer

beforeAll(async () => {
  server = await startDocumentServer()
  // The same port, so that only the address tells them apart.
  internal = await startInternalServer('127.0.0.2', server.port)
})

afterEach(() => {
  server.seen.length = 0
  server.comeBack()
})

afterAll(() => Promise.all([server.close(), internal.close()]))

function fetchFrom(url: string, options: GuardedFetchOptions = {}) {
  return createGuardedFetch({ network: server.network, ...options })(url, MAX)
}

function networkAt(...answers: string[][]): Network {
  let calls = 0
  return {
    ...server.network,
    resolve: async () => {
      const addresses = answers[Math.min(calls++, answers.length - 1)] ?? []
      return addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    },
  }
}

describe('a document', () => {
  it('is fetched with a fixed User-Agent and without cookies or credentials', async () => {
    server.publish('/good?x=1', { body: { a: 1 }, headers: { 'cache-control': 'max-age=60' } })
    expect(await fetchFrom(server.url('/good?x=1'))).toMatchObject({
      outcome: 'fetched',
      value: { a: 1 },
      headers: { 'cache-control': 'max-age=60' },
    })
    expect(server.seen).toHaveLength(1)
    expect(server.seen[0]).toMatchObject({
      host: `${DOCUMENT_HOST}:${server.port}`,
      headers: { 'user-agent': 'mcp-auth-gateway', accept: 'application/json' },
    })
    expect(server.seen[0]?.headers).not.toHaveProperty('cookie')
    expect(server.seen[0]?.headers).not.toHaveProperty('authorization')
  })

  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/oauth-client+json'])(
    'may be %s',
    async type => {
      server.publish('/type', { body: {}, headers: { 'content-type': type } })
      expect(await fetchFrom(server.url('/type'))).toMatchObject({ outcome: 'fetched' })
    },
  )

  it.each(['text/html', 'text/json', 'application/jsonp', 'application/json-seq', '', 'image/png'])(
    'is refused as %s',
    async type => {
      server.publish('/type', { body: {}, headers: { 'content-type': type } })
      expect(await fetchFrom(server.url('/type'))).toMatchObject({ outcome: 'refused' })
    },
  )

  it.each([
    ['no JSON', '{"a":'],
    ['empty', ''],
  ])('is refused where it is %s', async (_, body) => {
    server.publish('/bad', { body })
    expect(await fetchFrom(server.url('/bad'))).toEqual({ outcome: 'refused', reason: 'not JSON' })
  })

  it('is refused where it is not UTF-8', async () => {
    server.publish('/latin1', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(Buffer.from([0x22, 0xe9, 0x22]))
    })
    expect(await fetchFrom(server.url('/latin1'))).toMatchObject({ outcome: 'refused' })
  })

  it('is refused compressed: what it unfolds to has no bound', async () => {
    // Readable all the same, so that nothing else refuses it.
    server.publish('/gzip', { body: {}, headers: { 'content-encoding': 'gzip' } })
    expect(await fetchFrom(server.url('/gzip'))).toEqual({
      outcome: 'refused',
      reason: 'compressed',
    })
  })

  it('may be as large as allowed, and not a byte larger, declared or chunked', async () => {
    const text = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`
    const chunked =
      (body: string) => (_: unknown, response: import('node:http').ServerResponse) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        for (let at = 0; at < body.length; at += 1000) response.write(body.slice(at, at + 1000))
        response.end()
      }
    const declared = (body: string) => ({ body, headers: { 'content-length': `${body.length}` } })
    for (const make of [declared, chunked]) {
      server.publish('/fits', make(text(MAX)))
      expect(await fetchFrom(server.url('/fits'))).toMatchObject({ outcome: 'fetched' })
      server.publish('/large', make(text(MAX + 1)))
      expect(await fetchFrom(server.url('/large'))).toEqual({
        outcome: 'refused',
        reason: `more than ${MAX} bytes`,
      })
    }
  })

  it('that declares too much is not waited for', async () => {
    server.publish('/promised', (_, response) => {
      const length = String(MAX + 1)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
      response.flushHeaders()
    })
    expect(await fetchFrom(server.url('/promised'))).toMatchObject({ outcome: 'refused' })
  })

  it('that never ends is not read to its end', async () => {
    let isBroken = false
    server.publish('/endless', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const writing = setInterval(() => response.write('x'.repeat(4096)), 1)
      response.once('close', () => {
        clearInterval(writing)
        isBroken = true
      })
    })
    expect(await fetchFrom(server.url('/endless'))).toMatchObject({ outcome: 'refused' })
    await waitFor(() => isBroken, { what: 'the connection to be broken' })
  })

  it.each([301, 302, 303, 307, 308])('is not looked for elsewhere: %i', async status => {
    const location = `https://127.0.0.2:${internal.port}/admin`
    server.publish('/moved', { status, headers: { location }, body: {} })
    expect(await fetchFrom(server.url('/moved'))).toEqual({
      outcome: 'refused',
      reason: `status ${status}`,
    })
    expect(server.seen).toHaveLength(1)
  })

  it.each([201, 204, 206, 400, 401, 404, 410])('is refused with status %i', async status => {
    server.publish('/status', { status, ...(status !== 204 && { body: {} }) })
    expect(await fetchFrom(server.url('/status'))).toMatchObject({ outcome: 'refused' })
  })

  it.each([408, 429, 500, 503])('is unreachable with status %i', async status => {
    server.publish('/status', { status, body: {} })
    expect(await fetchFrom(server.url('/status'))).toMatchObject({ outcome: 'unreachable' })
  })

  it('is unreachable where the connection breaks', async () => {
    server.goDown()
    expect(await fetchFrom(server.url('/good'))).toMatchObject({ outcome: 'unreachable' })
  })

  it('is unreachable under a certificate that nobody vouches for', async () => {
    const { ca: _, ...network } = server.network
    const fetched = await fetchFrom(server.url('/good'), { network })
    expect(fetched).toMatchObject({ outcome: 'unreachable' })
    expect(server.seen).toEqual([])
  })

  it('is unreachable under a certificate for another host', async () => {
    const network = { ...server.network, resolve: networkAt(['127.0.0.1']).resolve }
    const fetched = await fetchFrom(server.url('/good', 'other.example.com'), { network })
    expect(fetched).toEqual({ outcome: 'unreachable', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    expect(server.seen).toEqual([])
  })

  it.each(['http://app.example.com/x', 'file:///etc/passwd', 'data:application/json,{}', 'x', ''])(
    'is refused unless https: %s',
    async url => {
      expect(await fetchFrom(url)).toEqual({ outcome: 'refused', reason: 'not an https URL' })
    },
  )
})

describe('time', () => {
  const late = { outcome: 'unreachable', reason: 'no answer within 150 ms' }

  it('bounds a server that answers nothing', async () => {
    server.publish('/silent', () => {})
    expect(await fetchFrom(server.url('/silent'), { timeoutMs: 150 })).toEqual(late)
  })

  it('bounds a body that drips, as a whole', async () => {
    let isBroken = false
    server.publish('/drip', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const dripping = setInterval(() => response.write(' '), 20)
      response.once('close', () => {
        clearInterval(dripping)
        isBroken = true
      })
    })
    expect(await fetchFrom(server.url('/drip'), { timeoutMs: 150 })).toEqual(late)
    await waitFor(() => isBroken, { what: 'the connection to be broken' })
  })

  it('bounds a name server that answers nothing', async () => {
    const network = { ...server.network, resolve: () => new Promise<never>(() => {}) }
    expect(await fetchFrom(server.url('/good'), { timeoutMs: 150, network })).toEqual(late)
  })

  it('bounds a handshake that hangs', async () => {
    const before = internal.connections
    const network = { ...networkAt(['127.0.0.2']), isAllowed: () => true }
    expect(await fetchFrom(server.url('/good'), { timeoutMs: 150, network })).toEqual(late)
    expect(internal.connections).toBe(before + 1)
  })

  it('is not spent on more documents at once than allowed', async () => {
    server.publish('/silent', () => {})
    const guardedFetch = createGuardedFetch({
      network: server.network,
      maxAtOnce: 2,
      timeoutMs: 150,
    })
    const url = server.url('/silent')
    const answers = await Promise.all([1, 2, 3].map(() => guardedFetch(url, MAX)))
    expect(answers.map(answer => answer.outcome === 'unreachable' && answer.reason)).toEqual([
      'no answer within 150 ms',
      'no answer within 150 ms',
      'too many documents are being fetched',
    ])
    server.publish('/good', { body: {} })
    expect(await guardedFetch(server.url('/good'), MAX)).toMatchObject({ outcome: 'fetched' })
  })
})

describe('addresses', () => {
  const reached = () => ({ connections: internal.connections, bytes: internal.bytes })
  const guarded = (network: Network) => createGuardedFetch({ network, timeoutMs: 1000 })

  it('has an internal server that would notice', async () => {
    const { connections, bytes } = reached()
    await knock('127.0.0.2', internal.port)
    await waitFor(() => internal.connections > connections && internal.bytes >= bytes + 5, {
      what: 'the knock',
    })
  })

  it.each([
    '127.0.0.2',
    '127.2',
    '2130706434',
    '0x7f000002',
    '0177.0.0.2',
    '[::ffff:127.0.0.2]',
    '[::ffff:7f00:2]',
    '[::127.0.0.2]',
    '[64:ff9b::7f00:2]',
    '[::1]',
    '[fd00::1]',
    '169.254.169.254',
    '10.0.0.1',
  ])('refuses the literal https://%s without a connection', async host => {
    const before = reached()
    const network = { ...server.network, isAllowed: isPublicAddress }
    const answer = await guarded(network)(`https://${host}:${internal.port}/x`, MAX)
    expect(answer).toMatchObject({ outcome: 'refused' })
    expect(reached()).toEqual(before)
  })

  it.each([
    '127.0.0.2',
    '10.1.2.3',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::',
    '::ffff:127.0.0.2',
    '64:ff9b::7f00:2',
    '64:ff9b:1::7f00:2',
    '2002:7f00:2::1',
    '2001:0:7f00:2::1',
    'fc00::1',
    'fe80::1',
    'ff02::1',
    '224.0.0.1',
    '240.0.0.1',
  ])('refuses a name that resolves to %s without a connection', async address => {
    const before = reached()
    const network = { ...networkAt([address]), isAllowed: isPublicAddress }
    const answer = await guarded(network)(server.url('/x'), MAX)
    expect(answer).toEqual({
      outcome: 'refused',
      reason: `${DOCUMENT_HOST} is at no public address`,
    })
    expect(reached()).toEqual(before)
  })

  it('connects to the allowed ones of several', async () => {
    const before = reached()
    server.publish('/good', { body: {} })
    const answer = await guarded(networkAt(['127.0.0.2', '127.0.0.1', '::1']))(
      server.url('/good'),
      MAX,
    )
    expect(answer).toMatchObject({ outcome: 'fetched' })
    expect(reached()).toEqual(before)
  })

  it('gives a name that changes its address nothing: public first, internal then', async () => {
    const before = reached()
    server.publish('/good', { body: {} })
    const rebinding = guarded(networkAt(['127.0.0.1'], ['127.0.0.2']))
    expect(await rebinding(server.url('/good'), MAX)).toMatchObject({ outcome: 'fetched' })
    expect(await rebinding(server.url('/good'), MAX)).toMatchObject({ outcome: 'refused' })
    expect(await rebinding(server.url('/good'), MAX)).toMatchObject({ outcome: 'refused' })
    expect(reached()).toEqual(before)
    expect(server.seen).toHaveLength(1)
  })

  it('resolves a name once for each connection, so what was judged is what is connected to', async () => {
    let lookups = 0
    const network: Network = {
      ...server.network,
      resolve: hostname => {
        lookups += 1
        return server.network.resolve(hostname)
      },
    }
    server.publish('/good', { body: {} })
    await guarded(network)(server.url('/good'), MAX)
    expect(lookups).toBe(1)
  })

  it('is unreachable, not refused, where a name cannot be resolved', async () => {
    const failure = Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    const network: Network = { ...server.network, resolve: () => Promise.reject(failure) }
    expect(await guarded(network)(server.url('/x'), MAX)).toEqual({
      outcome: 'unreachable',
      reason: 'ENOTFOUND',
    })
  })

  it('by default refuses the loopback of this computer', async () => {
    const before = reached()
    const guardedFetch = createGuardedFetch()
    for (const host of ['127.0.0.2', 'localhost', '[::1]']) {
      expect(await guardedFetch(`https://${host}:${internal.port}/x`, MAX)).not.toMatchObject({
        outcome: 'fetched',
      })
    }
    expect(reached()).toEqual(before)
  })
})
