import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createListRequestReader,
  readListRequest,
} from '../../../src/proxy/list-cache/list-request.ts'

const VERSION = '2026-07-28'
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientInfo': { name: 'a client', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
}
const FIELDS: Record<string, string> = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
  'mcp-protocol-version': VERSION,
  'mcp-method': 'tools/list',
}
type Change = {
  resource?: string
  search?: string
  fields?: Record<string, string>
  flat?: readonly string[]
  writeName?: (name: string) => string
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  meta?: Record<string, unknown>
  body?: string | Buffer
}

function read(change: Change = {}) {
  const { id = 1, method = 'tools/list', params, meta } = change
  const message = {
    ...{ jsonrpc: '2.0', id, method },
    params: { ...params, _meta: { ...META, ...meta } },
  }
  const { writeName = name => name } = change
  const fields = Object.entries({ ...FIELDS, 'mcp-method': method, ...change.fields })
  return readListRequest({
    resource: change.resource ?? 'https://mcp.example.com/crm/mcp',
    search: change.search ?? '',
    fields: [
      ...fields.flatMap(([name, value]) => [writeName(name), value]),
      ...(change.flat ?? []),
    ],
    body: Buffer.from(change.body ?? JSON.stringify(message)),
  })
}

const questionOf = (change?: Change) => read(change)?.question
const raw = (params: string, rest = '"id":1') =>
  `{"jsonrpc":"2.0",${rest},"method":"tools/list","params":${params}}`
const PARAMS = JSON.stringify({ _meta: META })

describe('one question', () => {
  it.each<[string, Change]>([
    ['another id', { id: 'x-77' }],
    ['another trace and progress token', { meta: { traceparent: '00-1', progressToken: 4 } }],
    ['another trace in the fields', { fields: { traceparent: '00-2', 'X-Amzn-Trace-Id': 'a' } }],
    ['another coding', { fields: { 'accept-encoding': 'br' } }],
    ['names of fields in capitals', { writeName: name => name.toUpperCase() }],
    ['blanks', { body: raw(` ${PARAMS.replaceAll(',', ' , ')} `) }],
    [
      'keys in another order',
      { body: raw(`{"_meta":{${Object.entries(META).reverse().map(pair).join(',')}}}`) },
    ],
  ])('is asked with %s', (_, change) => {
    expect(questionOf()).toBeDefined()
    expect(questionOf(change)).toBe(questionOf())
  })

  it('keeps the id as it was written', () => {
    expect(read({ id: 'é"' })?.id).toBe('"é\\""')
    expect(read({ body: raw(PARAMS, '"id":1e2') })?.id).toBe('1e2')
  })
})

describe('another question', () => {
  it.each<[string, Change]>([
    ['resource', { resource: 'https://mcp.example.com/wiki/mcp' }],
    ['query', { search: '?tenant=b' }],
    ['method', { method: 'prompts/list' }],
    ['cursor', { params: { cursor: 'b' } }],
    ['parameter that nobody knows', { params: { tenant: 1 } }],
    ['client', { meta: { 'io.modelcontextprotocol/clientInfo': { name: 'b', version: '1' } } }],
    ['set of capabilities', { meta: { 'io.modelcontextprotocol/clientCapabilities': {} } }],
    ['key of _meta', { meta: { 'com.example/tenant': 'b' } }],
    ['baggage', { meta: { baggage: 'tenant=b' } }],
    ['field that nobody knows', { fields: { 'x-tenant': 'b' } }],
    ['language', { fields: { 'accept-language': 'de' } }],
    ['Accept', { fields: { accept: 'application/json' } }],
    [
      'version',
      {
        fields: { 'mcp-protocol-version': '2027-01-01' },
        meta: { 'io.modelcontextprotocol/protocolVersion': '2027-01-01' },
      },
    ],
  ])('is asked with another %s', (_, change) => {
    expect(questionOf(change)).toBeDefined()
    expect(questionOf(change)).not.toBe(questionOf())
  })

  it('is asked with two fields of one name the other way round', () => {
    expect(questionOf({ flat: ['x-a', '1', 'x-a', '2'] })).not.toBe(
      questionOf({ flat: ['x-a', '2', 'x-a', '1'] }),
    )
  })

  it('is asked with numbers that a parser could take for the same', () => {
    const ask = (n: string) =>
      questionOf({ body: raw(`{"n":${n},"_meta":${JSON.stringify(META)}}`) })
    expect(new Set(['9007199254740993', '9007199254740992', '1', '1.0'].map(ask)).size).toBe(4)
  })
})

describe('no question at all', () => {
  it.each<[string, Change]>([
    ['a call of a tool', { method: 'tools/call' }],
    ['the contents of a resource', { method: 'resources/read', params: { uri: 'a:b' } }],
    ['an answer to questions of the backend', { params: { inputResponses: {} } }],
    ['the state of a conversation', { params: { requestState: 'x' } }],
    ['messages of the log', { meta: { 'io.modelcontextprotocol/logLevel': 'info' } }],
    ['an older version', { fields: { 'mcp-protocol-version': '2025-11-25' } }],
    ['a version in the fields only', { meta: { 'io.modelcontextprotocol/protocolVersion': 1 } }],
    ['two versions', { fields: { 'mcp-protocol-version': '2027-01-01' } }],
    ['fields that name another method', { fields: { 'mcp-method': 'prompts/list' } }],
    ['a method that is named twice', { flat: ['Mcp-Method', 'tools/list'] }],
    ['a session', { fields: { 'mcp-session-id': 'x' } }],
    ['a wish for nothing that was kept', { fields: { 'Cache-Control': 'no-cache' } }],
    ['a coded body', { fields: { 'content-encoding': 'gzip' } }],
    ['no taste for JSON', { fields: { accept: 'text/event-stream' } }],
    [
      'less than no taste for JSON',
      { fields: { accept: 'application/json;q=0, text/event-stream' } },
    ],
    ['a batch', { body: `[${raw(PARAMS)}]` }],
    ['no id', { body: raw(PARAMS, '"x":1') }],
    ['an id that is none', { body: raw(PARAMS, '"id":null') }],
    ['more than a request', { body: raw(PARAMS, '"id":1,"result":{}') }],
    ['a repeated key', { body: raw(PARAMS, '"id":1,"id":2') }],
    ['a repeated key within', { body: raw(`{"a":{"b":1,"b":2},"_meta":${JSON.stringify(META)}}`) }],
    [
      'a key in two cases',
      { body: raw(`{"cursor":"a","Cursor":"b","_meta":${JSON.stringify(META)}}`) },
    ],
    ['no _meta', { body: raw('{}') }],
    ['no parameters', { body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }],
    ['no JSON', { body: '{' }],
    ['bytes that are no text', { body: Buffer.from([0x22, 0xff, 0x22]) }],
    ['more than lists need', { params: { cursor: 'x'.repeat(20_000) } }],
    [
      'depths',
      { body: raw(`{"a":${'['.repeat(99)}${']'.repeat(99)},"_meta":${JSON.stringify(META)}}`) },
    ],
  ])('is asked with %s', (_, change) => {
    expect(read(change)).toBeUndefined()
  })

  it('whatever the bytes are: reading never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        read({ body: Buffer.from(bytes) })
      }),
    )
  })
})

describe('parameters', () => {
  it('make the same question exactly where they are the same, whatever the order of their keys', () => {
    const params = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.jsonValue({ maxDepth: 3 }))
    const safe = params.filter(value => questionOf({ params: value }) !== undefined)
    fc.assert(
      fc.property(safe, safe, (left, right) => {
        const turned = Object.fromEntries(Object.entries(left).reverse())
        expect(questionOf({ params: turned })).toBe(questionOf({ params: left }))
        const areSame = canonical(left) === canonical(right)
        expect(questionOf({ params: left }) === questionOf({ params: right })).toBe(areSame)
      }),
    )
  })
})

describe('a reader that remembers', () => {
  it('says the same as one that does not', () => {
    const remembering = createListRequestReader()
    const flat = Object.entries(FIELDS).flat()
    const parts = (resource: string, search: string, fields: string[], body: string) => ({
      ...{ resource, search, fields: [...flat, ...fields], body: Buffer.from(body) },
    })
    const bodies = [raw(PARAMS), raw(PARAMS, '"id":2'), `x-a\n1\n${raw(PARAMS)}`, '{', '']
    const requests = bodies.flatMap(body =>
      [[], ['x-a', '1'], ['x-a', '2']].flatMap(fields => [
        parts('https://a.example', '', fields, body),
        parts('https://a.example', '?a', fields, body),
        parts('https://b.example', '', fields, body),
      ]),
    )
    for (const request of [...requests, ...requests.toReversed()]) {
      expect(remembering(request)).toEqual(readListRequest(request))
    }
  })
})

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function pair([key, value]: [string, unknown]): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`
}
