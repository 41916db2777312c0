/** Bytes that two parsers might read differently, on bare connections, against a whole gateway; behind it a backend that keeps every byte. */
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Edge, startEdge } from '../support/edge.ts'
import { type RawBackend, startRawBackend } from '../support/raw-backend.ts'
import { waitFor } from '../support/wait-for.ts'

let edge: Edge
let backend: RawBackend
let token: string
let upstreamToken: string
beforeAll(async () => {
  backend = await startRawBackend()
  edge = await startEdge([backend.url], { limits: { body: '64KiB' } })
  token = (await edge.signIn()).accessToken
  await probe()
  upstreamToken = /^authorization: Bearer (.+)$/m.exec(backend.requests[0]!.head)?.[1]?.trim() ?? ''
})
afterAll(async () => {
  await edge?.close()
  await backend?.close()
})
beforeEach(() => backend.forget())

const BODY = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

/** A request line and fields; whatever the row adds stands behind them. `T` stands for the token wherever it is. */
function request(target: string, ...lines: string[]): string {
  return [`POST ${target} HTTP/1.1`, 'Host: a', 'Authorization: Bearer T', ...lines].join('\r\n')
}

/** What must never reach the backend where it stands inside of something else. */
const INNER = `${request('/crm/mcp', 'Content-Length: 14', '', '')}{"smuggled":1}`
const CHUNKED = 'Transfer-Encoding: chunked'
const CHUNKS = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`

type Outcome = { statuses: number[]; isClosed: boolean; received: string }

/** Sends bytes and waits: for the end of the connection, or for as many answers as are expected and no more. */
async function send(text: string, answers: number, isEnding = false): Promise<Outcome> {
  const socket = connect(edge.port, '127.0.0.1')
  let received = ''
  let isClosed = false
  socket.on('data', chunk => {
    received += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
  })
  const bytes = text.replaceAll('Bearer T', `Bearer ${token}`)
  if (isEnding) socket.end(bytes, 'latin1')
  else socket.write(bytes, 'latin1')
  const isAnswered = () => isClosed || (answers > 0 && statusesOf(received).length >= answers)
  await waitFor(isAnswered, { what: `an answer to ${JSON.stringify(text.slice(0, 300))}` })
  // What was sent along with it has been looked at by the time somebody else is answered.
  await probe()
  const outcome = { statuses: statusesOf(received), isClosed, received }
  socket.destroy()
  return outcome
}

/** A request that is beyond doubt, on a connection of its own. */
async function probe(): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${edge.port}/crm/mcp?probe`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
    body: BODY,
  })
  expect(response.status).toBe(200)
  await response.text()
}

function statusesOf(received: string): number[] {
  const finals = [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  return finals.filter(status => status >= 200)
}

/** What the backend got besides the probes; every byte of it must be of the one form that the gateway writes. */
function seen() {
  expect(backend.leftovers()).toEqual([])
  const requests = backend.requests.filter(({ path }) => !path.endsWith('?probe'))
  for (const { head } of requests) expect(findDeviation(head)).toBeUndefined()
  return requests
}

const INJECTED = ['authorization', 'x-request-id', 'x-forwarded-for', 'x-forwarded-proto']
const NEVER = /^(cookie|expect|trailer|te|upgrade|keep-alive|forwarded|x-real-ip|proxy-.*)$/
const DECISIVE =
  /^(authorization|cookie|host|connection|content-length|transfer-encoding|expect|x-request-id|x-real-ip|x-forwarded-.*|mcp-(method|name|protocol-version|session-id))$/

/** What is wrong with a head, as the gateway would write it. */
function findDeviation(head: string): string | undefined {
  const fields = head
    .split('\r\n')
    .slice(1, -2)
    .map(line => line.split(': ', 2) as [string, string])
  const valuesOf = (name: string) =>
    fields.filter(([known]) => known.toLowerCase() === name).map(([, value]) => value)
  for (const name of ['host', 'connection', ...INJECTED]) {
    if (valuesOf(name).length !== 1) return `${valuesOf(name).length} ${name}`
  }
  if (valuesOf('authorization')[0] !== `Bearer ${upstreamToken}`) return 'another token'
  if (valuesOf('x-forwarded-for')[0] !== '127.0.0.1') return 'another address'
  return fields.map(([name]) => name.toLowerCase()).find(name => NEVER.test(name) || isTwin(name))
}

/** Whether a backend that makes variables of names takes it for another one. */
function isTwin(name: string): boolean {
  const normal = name.replaceAll(/[^a-z0-9]/g, '-')
  return normal !== name && DECISIVE.test(normal)
}

describe.each(['/crm/mcp', '/token', '/nowhere'])('RFC 9112: %s refuses, and closes', target => {
  const framing = (...lines: string[]) => request(target, ...lines)

  it.each<[string, number, string]>([
    ['CL.TE', 400, framing('Content-Length: 6', CHUNKED, '', '0\r\n\r\n') + INNER],
    ['TE.CL', 400, framing(CHUNKED, 'Content-Length: 3', '', `0\r\n\r\n${INNER}`)],
    ['TE before the colon', 400, framing('Transfer-Encoding : chunked', '', CHUNKS + INNER)],
    [
      'a vertical tab before TE',
      400,
      framing('Transfer-Encoding: \x0bchunked', '', CHUNKS + INNER),
    ],
    ['xchunked', 501, framing('Transfer-Encoding: xchunked', '', CHUNKS + INNER)],
    ['chunked in quotes', 501, framing('Transfer-Encoding: "chunked"', '', CHUNKS + INNER)],
    ['identity, chunked', 501, framing('Transfer-Encoding: identity, chunked', '', CHUNKS + INNER)],
    ['gzip, chunked', 501, framing('Transfer-Encoding: gzip, chunked', '', CHUNKS + INNER)],
    ['identity', 501, framing('Transfer-Encoding: identity', '', INNER)],
    ['chunked, identity', 400, framing('Transfer-Encoding: chunked, identity', '', CHUNKS + INNER)],
    ['chunked twice', 400, framing(CHUNKED, CHUNKED, '', CHUNKS + INNER)],
    ['chunked and another', 400, framing(CHUNKED, 'Transfer-Encoding: x', '', CHUNKS + INNER)],
    ['an empty coding', 400, framing('Transfer-Encoding:', '', CHUNKS + INNER)],
    [
      'chunked in a folded line',
      400,
      framing('Transfer-Encoding:', ' chunked', '', CHUNKS + INNER),
    ],
    ['two equal lengths', 400, framing('Content-Length: 0', 'Content-Length: 0', '', INNER)],
    ['two lengths', 400, framing('Content-Length: 0', 'Content-Length: 9', '', INNER)],
    ['a list of lengths', 400, framing('Content-Length: 0, 0', '', INNER)],
    ['a positive length', 400, framing('Content-Length: +3', '', `abc${INNER}`)],
    ['a negative length', 400, framing('Content-Length: -3', '', INNER)],
    ['a hexadecimal length', 400, framing('Content-Length: 0x3', '', `abc${INNER}`)],
    ['a length with a blank', 400, framing('Content-Length: 1 3', '', `abc${INNER}`)],
    ['a length with an underscore', 400, framing('Content-Length: 1_0', '', `abc${INNER}`)],
    ['a fractional length', 400, framing('Content-Length: 3.0', '', `abc${INNER}`)],
    ['an empty length', 400, framing('Content-Length:', '', INNER)],
    ['a length of over 64 bits', 400, framing('Content-Length: 18446744073709551619', '', INNER)],
    ['lines that end in LF', 400, framing('').replaceAll('\r\n', '\n') + INNER],
    ['one line that ends in LF', 400, framing('X-A: 1\nContent-Length: 0', '', INNER)],
    ['a bare CR in a value', 400, framing('X-A: 1\rContent-Length: 0', '', INNER)],
    ['a bare CR for an end of line', 400, framing('X-A: 1\r\r\n', INNER)],
    ['a folded line', 400, framing('X-A: 1', ' Content-Length: 9', '', INNER)],
    ['NUL in a value', 400, framing('X-A: a\0b', '', INNER)],
    ['NUL in a name', 400, framing('X\0A: a', '', INNER)],
    ['a control character in a value', 400, framing('X-A: a\x01b', '', INNER)],
    ['DEL in a value', 400, framing('X-A: a\x7fb', '', INNER)],
    ['a blank before a colon', 400, framing('X-A : 1', '', INNER)],
    ['a tab before a colon', 400, framing('X-A\t: 1', '', INNER)],
    ['an empty name', 400, framing(': 1', '', INNER)],
    ['a name that is no token', 400, framing('X(A): 1', '', INNER)],
    ['a name that is not ASCII', 400, framing('X\xe9: 1', '', INNER)],
    ['a line without a colon', 400, framing('X-A', '', INNER)],
    ['two hosts', 400, framing('Host: b', '', INNER)],
    ['a host with a blank', 400, framing('', INNER).replace('Host: a', 'Host: a b')],
    ['a host with a path', 400, framing('', INNER).replace('Host: a', 'Host: a/b')],
    ['a host with a user', 400, framing('', INNER).replace('Host: a', 'Host: u@a')],
    ['an extension with LF', 400, framing(CHUNKED, '', `3;a\nb\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a chunk after LF', 400, framing(CHUNKED, '', `3\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a huge extension', 413, framing(CHUNKED, '', `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`)],
    [
      'an overflowing chunk',
      400,
      framing(CHUNKED, '', `10000000000000003\r\nabc\r\n0\r\n\r\n${INNER}`),
    ],
    ['a chunk with a sign', 400, framing(CHUNKED, '', `+3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a negative chunk', 400, framing(CHUNKED, '', `-3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a chunk with an underscore', 400, framing(CHUNKED, '', `0_3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a chunk with 0x', 400, framing(CHUNKED, '', `0x3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a blank after a size', 400, framing(CHUNKED, '', `3 \r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a blank before a size', 400, framing(CHUNKED, '', ` 3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['an empty size', 400, framing(CHUNKED, '', `\r\n3\r\nabc\r\n0\r\n\r\n${INNER}`)],
    ['a chunk longer than it says', 400, framing(CHUNKED, '', `3\r\nabcde\r\n0\r\n\r\n${INNER}`)],
    ['a chunk that ends in LF', 400, framing(CHUNKED, '', `3\r\nabc\n0\r\n\r\n${INNER}`)],
    ['a length in a trailer', 400, framing(CHUNKED, '', `0\r\nContent-Length: 9\r\n\r\n${INNER}`)],
    ['chunks in a trailer', 400, framing(CHUNKED, '', `0\r\n${CHUNKED}\r\n\r\n${INNER}`)],
    ['chunks in HTTP/1.0', 400, framing(CHUNKED, '', CHUNKS + INNER).replace('1.1', '1.0')],
    ['HTTP/0.9', 505, `GET ${target}\r\n\r\n${INNER}`],
    ['HTTP/2.0', 505, framing('', INNER).replace('1.1', '2.0')],
    ['HTTP/1.2', 400, framing('', INNER).replace('1.1', '1.2')],
    ['the preface of HTTP/2', 400, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${INNER}`],
    ['a blank at the end of the line', 400, framing('', INNER).replace('1.1', '1.1 ')],
    ['a blank in the target', 400, framing('', INNER).replace(target, `${target} a`)],
    ['a tab for a blank', 400, framing('', INNER).replace('POST ', 'POST\t')],
    ['a method in lower case', 400, framing('', INNER).replace('POST', 'post')],
    ['an unknown method', 400, framing('', INNER).replace('POST', 'SMUGGLE')],
    ['a target that is not ASCII', 400, framing('', INNER).replace(target, `${target}\xe9`)],
    ['NUL in the target', 400, framing('', INNER).replace(target, `${target}\0`)],
    ['a fragment', 400, framing('Content-Length: 0', '', '').replace(target, `${target}#a`)],
    [
      'an endless request line',
      431,
      framing('', '').replace(target, `${target}?${'a'.repeat(40_000)}`),
    ],
    ['an endless value', 431, framing(`X-A: ${'a'.repeat(40_000)}`, '', '')],
    ['129 fields', 431, framing(...Array.from({ length: 127 }, () => 'X:'), '', '')],
    ['very many fields', 431, framing(...Array.from({ length: 3000 }, () => 'X:'), '', INNER)],
    ['an unknown expectation', 417, framing('Expect: 200-ok', 'Content-Length: 0', '', INNER)],
    ['two expectations', 417, framing('Expect: 100-continue, x', 'Content-Length: 9', '', INNER)],
  ])('%s: %i', async (_, status, text) => {
    const { statuses, isClosed } = await send(text, 0)
    // Whoever asks for what is not there is told so before the body is read.
    const isEarly = target === '/nowhere' && statuses[0] === 404
    expect({ statuses, isClosed }).toEqual({ statuses: [isEarly ? 404 : status], isClosed: true })
    expect(seen()).toEqual([])
  })
})

describe('a target that is not the endpoint never reaches the backend', () => {
  it.each([
    ...['/crm/mcp/', '//crm/mcp', '/./crm/mcp', '/x/../crm/mcp', '/crm/mcp/..', '/crm%2fmcp'],
    ...[
      '/crm/mcp%23',
      '/crm/mcp%3f',
      '/crm\\mcp',
      '/%63rm/mcp',
      '/crm/mcp;a',
      '//127.0.0.1/crm/mcp',
    ],
    ...['http://127.0.0.1/crm/mcp', 'https://mcp.example.com/crm/mcp', 'HTTP://a/crm/mcp'],
    ...['*', 'crm/mcp', 'ftp://a/crm/mcp', 'a:443'],
  ])('%s', async target => {
    const { statuses } = await send(request(target, 'Content-Length: 0', '', ''), 1)
    expect([400, 404]).toContain(statuses[0])
    expect(seen()).toEqual([])
  })

  it.each([
    ['CONNECT with an authority', 'CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
    [
      'CONNECT with the endpoint',
      'CONNECT /crm/mcp HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer T\r\n\r\n',
    ],
  ])('%s ends the connection', async (_, text) => {
    const { isClosed } = await send(text + INNER, 0)
    expect(isClosed).toBe(true)
    expect(seen()).toEqual([])
  })

  it('OPTIONS * is not for it either', async () => {
    const { statuses } = await send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 1)
    expect(statuses).toEqual([400])
    expect(seen()).toEqual([])
  })
})

describe('what can be read in one way only arrives as one request of our own making', () => {
  const LENGTH = `Content-Length: ${BODY.length}`

  it.each<[string, string]>([
    ['a length', request('/crm/mcp', LENGTH, '', BODY)],
    ['leading zeros', request('/crm/mcp', `Content-Length: 000${BODY.length}`, '', BODY)],
    [
      'blanks around a length',
      request('/crm/mcp', `Content-Length: \t ${BODY.length} \t`, '', BODY),
    ],
    ['empty lines ahead', `\r\n\r\n${request('/crm/mcp', LENGTH, '', BODY)}`],
    ['chunks', request('/crm/mcp', CHUNKED, '', CHUNKS)],
    ['chunks after a tab', request('/crm/mcp', 'Transfer-Encoding:\tchunked', '', CHUNKS)],
    ['CHUNKED', request('/crm/mcp', 'Transfer-Encoding: CHUNKED', '', CHUNKS)],
    [
      'leading zeros of a chunk',
      request('/crm/mcp', CHUNKED, '', `000000000000000000000${CHUNKS}`),
    ],
    ['an extension', request('/crm/mcp', CHUNKED, '', CHUNKS.replace('\r\n', ';a="b"\r\n'))],
    [
      'dangerous trailers',
      request(
        '/crm/mcp',
        CHUNKED,
        'Trailer: Authorization',
        '',
        CHUNKS.replace(
          /\r\n$/,
          'Authorization: Bearer evil\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil\r\n\r\n',
        ),
      ),
    ],
    [
      'nominations of what is injected',
      request(
        '/crm/mcp',
        'Connection: keep-alive, authorization, x-request-id, x-forwarded-for, host, content-length',
        LENGTH,
        '',
        BODY,
      ),
    ],
    [
      'twins with other characters',
      request(
        '/crm/mcp',
        ...[
          'x_forwarded_for: 6.6.6.6',
          'x_request_id: a',
          'mcp_protocol_version: 1',
          'X.Real.IP: 6',
        ],
        ...[
          'mcp_session_id: a',
          'Mcp-Method_: tools/call',
          'X_Forwarded-Host: evil',
          'mcp_name: a',
        ],
        LENGTH,
        '',
        BODY,
      ),
    ],
    ['Expect', request('/crm/mcp', 'Expect: 100-Continue', LENGTH, '', BODY)],
  ])('%s', async (_, text) => {
    const { statuses, isClosed } = await send(text, 1)
    expect({ statuses, isClosed }).toEqual({ statuses: [200], isClosed: false })
    expect(seen().map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/internal', BODY],
    ])
  })

  it.each([
    [
      'an upgrade to h2c',
      request(
        '/crm/mcp',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: a',
        LENGTH,
        '',
        BODY,
      ),
    ],
    [
      'an upgrade to a web socket',
      request('/crm/mcp', 'Connection: Upgrade', 'Upgrade: websocket', LENGTH, '', BODY),
    ],
  ])('%s, and the connection ends with the answer', async (_, text) => {
    const { statuses, isClosed } = await send(text, 1)
    expect({ statuses, isClosed }).toEqual({ statuses: [200], isClosed: true })
    expect(seen().map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/internal', BODY],
    ])
  })

  it.each([
    ['mcp-session-id', 'Mcp-Session-Id: a'],
    ['x-a', 'X-A: 1'],
    ['last-event-id', 'Last-Event-ID: 1'],
  ])('without a field of the client that its Connection nominates: %s', async (name, field) => {
    await send(request('/crm/mcp', `Connection: ${name}`, field, LENGTH, '', BODY), 1)
    await send(request('/crm/mcp', field, LENGTH, '', BODY), 1)
    const has = seen().map(({ head }) => head.toLowerCase().includes(`\r\n${name}: `))
    expect(has).toEqual([false, true])
  })

  it('with a value that is not ASCII as it was', async () => {
    await send(request('/crm/mcp', 'X-A: caf\xe9', LENGTH, '', BODY), 1)
    expect(seen()[0]!.head).toContain('X-A: caf\xe9\r\n')
  })

  it('with 128 fields', async () => {
    const many = Array.from({ length: 125 }, (_, index) => `X-${index}: 1`)
    expect((await send(request('/crm/mcp', ...many, LENGTH, '', BODY), 1)).statuses).toEqual([200])
    expect(seen()[0]!.head).toContain('X-124: 1\r\n')
  })

  it.each([
    ['without keep-alive', [], true],
    ['with keep-alive', ['Connection: keep-alive'], false],
  ] as const)('from HTTP/1.0 %s', async (_, lines, closes) => {
    const text = request('/crm/mcp', ...lines, LENGTH, '', BODY).replace('1.1', '1.0')
    const { statuses, isClosed } = await send(text, closes ? 0 : 1)
    expect({ statuses, isClosed }).toEqual({ statuses: [200], isClosed: closes })
    expect(seen().map(({ body }) => body)).toEqual([BODY])
  })
})

describe('several requests on one connection', () => {
  const LENGTH = `Content-Length: ${BODY.length}`
  const good = request('/crm/mcp', LENGTH, '', BODY)

  it('are answered in their order', async () => {
    const { statuses } = await send(
      good + request('/nowhere', 'Content-Length: 0', '', '') + good,
      3,
    )
    expect(statuses).toEqual([200, 404, 200])
    expect(seen().map(({ body }) => body)).toEqual([BODY, BODY])
  })

  it.each([
    ['a second Host', request('/crm/mcp', 'Host: b', LENGTH, '', BODY), 400],
    ['an unknown coding', request('/crm/mcp', 'Transfer-Encoding: gzip, chunked', '', CHUNKS), 501],
    ['an expectation', request('/crm/mcp', 'Expect: x', 'Content-Length: 0', '', ''), 417],
    [
      'too many fields',
      request('/crm/mcp', ...Array(200).fill('X:'), 'Content-Length: 0', '', ''),
      431,
    ],
  ])('end with the first that is refused: %s', async (_, refused, status) => {
    const { statuses, isClosed } = await send(refused + good, 0)
    expect({ statuses, isClosed }).toEqual({ statuses: [status], isClosed: true })
    expect(seen()).toEqual([])
  })

  it('end where the first says that it is the last', async () => {
    const last = request('/crm/mcp', 'Connection: close', LENGTH, '', BODY)
    const { isClosed } = await send(last + INNER, 0)
    expect(isClosed).toBe(true)
    expect(seen().filter(({ body }) => body !== BODY)).toEqual([])
  })

  it('go on after one that is refused by its token, whose body is no request', async () => {
    const bad = request('/crm/mcp', `Content-Length: ${INNER.length}`, '', '').replace(
      'Bearer T',
      'Bearer no',
    )
    // As long as it says only with the token as it is sent.
    const length = INNER.replaceAll('Bearer T', `Bearer ${token}`).length
    const { statuses } = await send(
      bad.replace(/Content-Length: \d+/, `Content-Length: ${length}`) + INNER + good,
      2,
    )
    expect(statuses).toEqual([401, 200])
    expect(seen().map(({ body }) => body)).toEqual([BODY])
  })

  it('end where the body is longer than it says', async () => {
    const { isClosed } = await send(`${good}XX`, 0)
    expect(isClosed).toBe(true)
    expect(seen().filter(({ body }) => body !== BODY)).toEqual([])
  })

  it('are none where the body is shorter than it says', async () => {
    const { statuses, isClosed } = await send(
      request('/crm/mcp', 'Content-Length: 99', '', BODY),
      0,
      true,
    )
    expect({ statuses, isClosed }).toEqual({ statuses: [400], isClosed: true })
    expect(seen()).toEqual([])
  })

  it('are none where the length is beyond the limit: it is refused before the body is read', async () => {
    const huge = request('/crm/mcp', 'Content-Length: 18446744073709551614', '', INNER)
    expect((await send(huge, 0)).statuses).toEqual([413])
    expect(seen()).toEqual([])
  })
})

describe('any mutation of a good request', () => {
  const PIECES = [
    ...[
      '\r\n',
      '\n',
      '\r',
      ' ',
      '\t',
      '\0',
      ':',
      ',',
      ';',
      '0',
      '1',
      '+',
      '-',
      '_',
      'x',
      '"',
      '\xff',
    ],
    ...['\r\n\r\n', 'Content-Length: 5\r\n', `${CHUNKED}\r\n`, 'Transfer-Encoding: identity\r\n'],
    ...[
      'Connection: authorization\r\n',
      'Expect: 100-continue\r\n',
      'Host: b\r\n',
      'HTTP/1.0',
      '*',
      '#',
    ],
  ]
  const bases = [
    request('/crm/mcp', `Content-Length: ${BODY.length}`, '', BODY),
    request('/crm/mcp', CHUNKED, '', CHUNKS),
  ]
  const edit = fc.record({
    at: fc.nat(300),
    cut: fc.nat(3),
    piece: fc.constantFrom('', ...PIECES),
  })
  const mutated = fc
    .tuple(fc.constantFrom(...bases), fc.array(edit, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([base, edits, isFollowed]) => {
      const changed = edits.reduce((text, { at, cut, piece }) => {
        const place = at % (text.length + 1)
        return text.slice(0, place) + piece + text.slice(place + cut)
      }, base)
      return isFollowed ? changed + INNER : changed
    })

  it('reaches the backend as nothing, or as one request that the gateway would write itself', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, async text => {
        backend.forget()
        await send(text, 0, true)
        const requests = seen()
        const [first, ...others] = requests
        // A good request may follow a good one, and only whole.
        expect(others.length).toBeLessThanOrEqual(text.endsWith(INNER) ? 1 : 0)
        for (const { body } of others) expect(body).toBe('{"smuggled":1}')
        if (first) expect(first.path).toMatch(/^\/internal(\?|$)/)
      }),
      { numRuns: 200 },
    )
  }, 60_000)
})
