import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createScopeCatalogue } from '../../src/domain/scope-catalogue.ts'
import { createAdmission } from '../../src/proxy/admission.ts'
import { createPolicy, type ToolDemand } from '../../src/proxy/policy.ts'
import { ask, claims, PUBLIC_URL, RawClient, startBackend, startGateway } from './support.ts'

const CATALOGUE = createScopeCatalogue(
  [
    { name: 'crm.read', isDefault: true, implies: [] },
    { name: 'crm.write', isDefault: false, implies: ['crm.read'] },
    { name: 'crm.export', isDefault: false, implies: [] },
  ],
  ['crm.read'],
)
const DEMANDS: readonly ToolDemand[] = [
  { pattern: 'export_*', scopes: ['crm.export'], isHidden: false },
  { pattern: '*_all', scopes: ['crm.write'], isHidden: false },
  { pattern: 'purge', scopes: ['crm.write'], isHidden: true },
  { pattern: 'debug*', scopes: [], isHidden: true },
]
const TOKENS: Record<string, readonly string[]> = {
  nothing: [],
  reader: ['crm.read'],
  writer: ['crm.write'],
  exporter: ['crm.read', 'crm.export'],
  everything: ['crm.write', 'crm.export'],
}
const METADATA = `resource_metadata="${PUBLIC_URL}/.well-known/oauth-protected-resource/crm/mcp"`

type Answer = Parameters<typeof startBackend>[0]

async function setUp(answer?: Answer, demands = DEMANDS) {
  const backend = await startBackend(answer)
  const gateway = await startGateway({
    instances: [backend.url],
    backend: { scopes: CATALOGUE.defaults, policy: createPolicy(CATALOGUE, demands) },
    proxy: {
      admission: createAdmission({
        verifyAccessToken: async token => {
          const scope = TOKENS[token]
          return scope && claims({ scope })
        },
        now: () => 1_800_000_000,
      }),
    },
  })
  const send = (token: string, body?: string, headers: Record<string, string> = {}) =>
    ask(gateway, { token, headers, ...(body !== undefined && { body }) })
  return { backend, gateway, send }
}

const call = (tool: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } })
const modern = (tool: string) => ({
  ...{ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': tool },
})

describe('MCP authorization, "Scope Challenge Handling"', () => {
  test.each([
    ['a tool', 'reader', 'export_csv', 'crm.read crm.export'],
    ['a tool of two patterns, at once', 'reader', 'export_all', 'crm.read crm.export crm.write'],
    ['what is still missing only', 'exporter', 'export_all', 'crm.read crm.export crm.write'],
    ['what every call needs', 'nothing', 'add', 'crm.read'],
  ])('names what is granted and what is needed: %s', async (_, token, tool, scope) => {
    const { backend, send } = await setUp()
    for (const headers of [{}, modern(tool)]) {
      const reply = await send(token, call(tool), headers)
      expect(reply.status).toBe(403)
      expect(reply.headers['www-authenticate']).toBe(
        `Bearer error="insufficient_scope", error_description="This needs more scopes than the access token has", ${METADATA}, scope="${scope}"`,
      )
      expect(JSON.parse(reply.body)).toMatchObject({ error: { code: -32015 } })
    }
    expect(backend.seen).toEqual([])
  })

  test.each([
    ['with the scope', 'exporter', 'export_csv'],
    ['with a scope that implies what every call needs', 'writer', 'add'],
    ['with all of them', 'everything', 'export_all'],
    ['which nothing restricts', 'reader', 'add'],
  ])('lets a call through %s, byte for byte', async (_, token, tool) => {
    const { backend, send } = await setUp()
    const body = `  ${call(tool).replace(/:/g, ' : ')}\n`
    for (const headers of [{}, modern(tool)]) {
      expect((await send(token, body, headers)).status).toBe(200)
      expect(backend.seen.at(-1)?.body).toBe(body)
    }
  })

  test('needs what every call needs for GET and DELETE too', async () => {
    const { backend, gateway } = await setUp()
    for (const method of ['GET', 'DELETE']) {
      expect((await ask(gateway, { method, token: 'nothing' })).status).toBe(403)
      expect((await ask(gateway, { method, token: 'reader' })).status).toBe(200)
    }
    expect(backend.seen).toHaveLength(2)
  })

  test('refuses a batch for any one of its messages', async () => {
    const { backend, send } = await setUp()
    expect((await send('reader', `[${call('add')},${call('sub')}]`)).status).toBe(200)
    const reply = await send('reader', `[${call('add')},${call('export_csv')},${call('set_all')}]`)
    expect(reply.status).toBe(403)
    expect(reply.headers['www-authenticate']).toContain('scope="crm.read crm.export crm.write"')
    expect(backend.seen).toHaveLength(1)
  })

  test('leaves one line in the log that says what is missing', async () => {
    const { gateway, send } = await setUp()
    await send('reader', call('export_csv'))
    expect(gateway.log).toEqual([
      expect.objectContaining({
        status: 403,
        failure: 'insufficientScope',
        reason: 'needs crm.export',
      }),
    ])
  })
})

describe('a request that could be read in two ways', () => {
  test('is refused where the fields name another tool, with the code of the standard', async () => {
    const { backend, send } = await setUp()
    const reply = await send('reader', call('export_csv'), modern('add'))
    expect(reply.status).toBe(400)
    expect(JSON.parse(reply.body)).toMatchObject({ jsonrpc: '2.0', error: { code: -32020 } })
    expect(backend.seen).toEqual([])
  })

  test.each([
    ['repeats the name', call('add').replace('}}', ',"name":"export_csv"}}'), {}],
    ['spells it twice', call('add').replace('}}', ',"Name":"export_csv"}}'), {}],
    ['is no JSON', 'export_csv', {}],
    ['is compressed', gzipSync(call('export_csv')), { 'content-encoding': 'gzip' }],
    ['is said to be compressed', call('add'), { 'content-encoding': 'br' }],
  ])('is refused where its body %s', async (_, body, headers) => {
    const { backend, gateway } = await setUp()
    const reply = await ask(gateway, { token: 'reader', body, headers })
    expect(reply.status).toBe(400)
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: -32700 } })
    expect(backend.seen).toEqual([])
  })

  test('is nobody’s business where its caller may call everything', async () => {
    const shown = DEMANDS.filter(({ isHidden }) => !isHidden)
    const { backend, send } = await setUp(undefined, shown)
    expect((await send('everything', 'not json')).status).toBe(200)
    expect(backend.seen).toHaveLength(1)
  })

  test('is nobody’s business at a backend without a policy', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url] })
    expect((await ask(gateway, { body: 'not json', headers: modern('x') })).status).toBe(200)
    expect(createPolicy(createScopeCatalogue([], []), [])).toBeUndefined()
  })
})

describe('a hidden tool', () => {
  const SHOWN = '{"name":"add","x":1.50}'
  const LIST = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"debug_1"},${SHOWN},{"name":"purge"}]}}`
  const FOR_READERS = LIST.replace('{"name":"debug_1"},', '').replace(',{"name":"purge"}', '')
  const FOR_WRITERS = LIST.replace('{"name":"debug_1"},', '')
  const LISTING = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'

  const answering =
    (type: string, body: string | Buffer, more: Record<string, string> = {}): Answer =>
    (_req, res) => {
      res.writeHead(200, { 'content-type': type, ...more })
      res.end(body)
    }

  test('that nobody may call is refused without a hint that scopes would help', async () => {
    const { backend, send } = await setUp()
    const reply = await send('everything', call('debug_1'))
    expect(reply.status).toBe(403)
    expect(reply.headers['www-authenticate']).toBeUndefined()
    expect(JSON.parse(reply.body)).toMatchObject({ error: { code: -32016 } })
    expect(backend.seen).toEqual([])
  })

  test.each([
    ['reader', FOR_READERS],
    ['writer', FOR_WRITERS],
  ])('is missing in the JSON list of a %s, and nothing else is', async (token, expected) => {
    const { send } = await setUp(answering('application/json', LIST, { etag: '"1"' }))
    const reply = await send(token, LISTING)
    expect(reply.body).toBe(expected)
    expect(reply.headers['content-length']).toBe(String(expected.length))
    expect(reply.headers.etag).toBe('"1"')
  })

  test.each(['\n', '\r\n', '\r'])(
    'is missing in the event of a list, lines ending in %j',
    async end => {
      const other = `: comment${end}event: message${end}data: {"method":"notifications/x"}${end}${end}`
      const event = `id: 7${end}event: message${end}data: ${LIST}${end}${end}`
      const { send } = await setUp((_req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        // Split wherever it hurts.
        const bytes = Buffer.from(other + event + other)
        for (let at = 0; at < bytes.byteLength; at += 7) res.write(bytes.subarray(at, at + 7))
        res.end()
      })
      const { body } = await send('reader', LISTING)
      expect(body).toBe(`${other}id: 7\nevent: message\ndata: ${FOR_READERS}\n\n${other}`)
    },
  )

  test('is missing where the data of its event has several lines, and letters beyond ASCII stay', async () => {
    const list = LIST.replace('1.50', '"größe"')
    const data = list.replaceAll(',', ',\ndata: ')
    const { send } = await setUp(answering('text/event-stream', `data:${data}\n\n`))
    const { body } = await send('reader', LISTING)
    const lines = Buffer.from(body, 'latin1').toString().trim().split('\n')
    const shown = JSON.parse(lines.map(line => line.replace(/^data: /, '')).join(''))
    expect(shown.result.tools).toEqual([{ name: 'add', x: 'größe' }])
  })

  test('passes through a stream event by event, without waiting for its end', async () => {
    let finish = () => {}
    const { gateway } = await setUp((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(`data: ${LIST}\n\n`)
      finish = () => res.end()
    })
    const client = new RawClient(gateway.port)
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', 'Authorization: Bearer reader']
    client.send(...head, `Content-Length: ${LISTING.length}`, '', LISTING)
    await client.until(FOR_READERS)
    finish()
  })

  test('is missing in a stream that is resumed', async () => {
    const { gateway } = await setUp(answering('text/event-stream', `data: ${LIST}\n\n`))
    const headers = { 'last-event-id': '3' }
    const { body } = await ask(gateway, { method: 'GET', token: 'reader', headers })
    expect(body).toBe(`data: ${FOR_READERS}\n\n`)
  })

  test('is asked for without compression, which the gateway could not read', async () => {
    const { backend, send } = await setUp(answering('application/json', LIST))
    await send('reader', LISTING, { 'accept-encoding': 'gzip, br' })
    expect(backend.field('accept-encoding')).toBe('identity')
    await send('reader', call('add'), { 'accept-encoding': 'gzip, br' })
    expect(backend.field('accept-encoding')).toBe('gzip, br')
  })

  test.each([
    ['is compressed all the same', gzipSync(LIST), { 'content-encoding': 'gzip' }],
    ['is not JSON', LIST.slice(1), {}],
  ])('does not slip through in a list that %s', async (_, body, headers) => {
    const { send } = await setUp(answering('application/json', body, headers))
    const reply = await send('reader', LISTING)
    expect(reply.status).toBe(502)
    expect(reply.body).not.toContain('debug_1')
  })

  test.each([
    [
      'an error',
      'application/json',
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
    ],
    ['another type', 'text/plain', 'tools'],
    ['nothing', 'application/json', ''],
  ])('changes nothing in an answer that is %s', async (_, type, body) => {
    const { send } = await setUp(answering(type, body))
    const reply = await send('reader', LISTING)
    expect(reply).toMatchObject({ status: 200, body })
  })
})
