import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRequestHeadReader } from '../../src/proxy/headers.ts'

const read = createRequestHeadReader()

describe('a request on its way to a backend', () => {
  test.each([
    ...[
      'Connection',
      'Keep-Alive',
      'Proxy-Connection',
      'Proxy-Authorization',
      'Proxy-Authenticate',
    ],
    ...['TE', 'Trailer', 'Transfer-Encoding', 'Upgrade', 'HTTP2-Settings', 'Expect'],
    ...['Host', 'Content-Length', 'Authorization', 'Cookie', 'Cookie2', 'Origin'],
    ...[
      'Forwarded',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'X-Forwarded-User',
    ],
    ...['X-Real-IP', 'X-Request-Id', 'X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override'],
  ])('loses %s', name => {
    expect(read([name, '1', name.toUpperCase(), '1']).passed).toEqual([])
  })

  test.each([
    ...['X_Forwarded_For', 'x-forwarded_user', 'X_REQUEST_ID', 'x_real-ip', 'Proxy_Authorization'],
    ...['X.Forwarded.For', 'transfer_encoding', 'Content_Length', 'Mcp_Method', 'mcp_session-id'],
    ...['Content_Encoding', 'content_type', 'X_Original_URL'],
  ])('loses %s, another spelling of a field that somebody relies on', name => {
    const head = read([name, '5'])
    expect(head.passed).toEqual([])
    expect(head).toMatchObject({ hasBody: false, mcpMethod: undefined, forwardedFor: undefined })
  })

  test('keeps names, values, order and repetition of everything else', () => {
    const fields = [
      ...['Accept', 'application/json, text/event-stream', 'mcp-method', 'tools/call'],
      ...['Mcp-Name', '=?base64?w6k=?=', 'MCP-Protocol-Version', '2026-07-28'],
      ...['Mcp-Param-user_id', '  spaced', 'Mcp-Session-Id', 's', 'Last-Event-ID', '7'],
      ...['traceparent', '00-1-2-01', 'tracestate', 'a=1', 'tracestate', 'b=2', 'X-Own', '\u00e9'],
    ]
    expect(read(fields).passed).toEqual(fields)
  })

  test('loses the fields that its Connection nominates', () => {
    const fields = [
      'X-Own',
      '1',
      'Connection',
      'close, X-OWN',
      'Accept',
      '*/*',
      'connection',
      'x-b',
      'X-B',
      '2',
    ]
    expect(read(fields).passed).toEqual(['Accept', '*/*'])
  })

  test('is ambiguous with two Authorization or two Origin fields', () => {
    expect(read(['Authorization', 'Bearer a']).isAmbiguous).toBe(false)
    expect(read(['Authorization', 'Bearer a', 'authorization', 'Bearer a']).isAmbiguous).toBe(true)
    expect(read(['Origin', 'https://a.example', 'Origin', 'https://a.example']).isAmbiguous).toBe(
      true,
    )
  })

  test('joins its X-Forwarded-For fields in their order', () => {
    expect(read(['X-Forwarded-For', 'a, b', 'x-forwarded-for', 'c']).forwardedFor).toBe('a, b, c')
  })

  test('never passes an identity field, however it is spelled', () => {
    const letters = fc.constantFrom('authorization', 'x-forwarded-for', 'x-request-id', 'cookie')
    const spelling = letters.chain(name =>
      fc
        .array(fc.tuple(fc.boolean(), fc.constantFrom('-', '_', '.', '~')), {
          minLength: name.length,
          maxLength: name.length,
        })
        .map(choices =>
          [...name]
            .map((c, i) => (c === '-' ? choices[i]?.[1] : choices[i]?.[0] ? c.toUpperCase() : c))
            .join(''),
        ),
    )
    fc.assert(
      fc.property(spelling, name => {
        expect(read([name, 'x']).passed).toEqual([])
      }),
    )
  })

  test('judges names beyond the size of its memory just the same', () => {
    const reader = createRequestHeadReader()
    for (let index = 0; index < 3000; index += 1) reader([`x-${index}`, '1'])
    expect(reader(['X_Forwarded_For', '1', 'x-fresh', '1']).passed).toEqual(['x-fresh', '1'])
  })
})
