import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEverythingBackend } from '../conformance/everything-backend.ts'
import type { RecordingBackend } from '../support/recording-backend.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import { registerClient, signIn } from './oauth-client.ts'

const PATH = '/everything/mcp'
const APP = 'https://app.example.com'
/** Streams are to stay open for much longer than any answer may take to begin. */
const HEADERS_TIMEOUT = '2s'
const QUIET_MS = 40_000

let backends: RecordingBackend[]
let landscape: Landscape
let token: string
beforeAll(async () => {
  backends = await startEverythingBackend(2)
  const instances = backends.map(({ url }) => url)
  const timeouts = { headers: HEADERS_TIMEOUT }
  landscape = await startLandscape({
    config: { backends: [{ path: PATH, instances, timeouts }], allowedOrigins: [APP] },
  })
  const client = await registerClient(landscape)
  token = (await signIn(landscape, client, landscape.front.origin + PATH)).accessToken
})
afterAll(async () => {
  await landscape?.close()
  await Promise.all(backends?.map(backend => backend.close()) ?? [])
})

const BOTH = 'application/json, text/event-stream'
const LEGACY = { accept: BOTH, 'content-type': 'application/json' }
const VERSION = '2026-07-28'

type Shape = { what: string; method?: string; headers?: Record<string, string>; body?: string }

function legacy(what: string, message: object, headers: Record<string, string> = {}): Shape {
  const body = JSON.stringify(message, null, 1)
  return { what, headers: { ...LEGACY, 'mcp-protocol-version': '2025-11-25', ...headers }, body }
}

function modern(what: string, method: string, params: object, headers = {}): Shape {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  }
  const message = { jsonrpc: '2.0', id: 'ü-1', method, params: { ...params, _meta } }
  return {
    what,
    headers: { ...LEGACY, 'mcp-protocol-version': VERSION, 'mcp-method': method, ...headers },
    body: JSON.stringify(message, null, '\t'),
  }
}

const request = (method: string, params: object = {}) => ({ jsonrpc: '2.0', id: 1, method, params })
const ADD = { name: 'test_simple_text', arguments: {} }

const SHAPES: readonly Shape[] = [
  legacy(
    'initialize',
    request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1.0.0' },
    }),
  ),
  legacy('a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }),
  legacy('a call', request('tools/call', ADD)),
  legacy('a call that streams', request('tools/call', { ...ADD, name: 'test_tool_with_logging' })),
  legacy('a batch', [request('ping'), { ...request('tools/call', ADD), id: 2 }]),
  legacy('a version that does not exist', request('ping'), {
    'mcp-protocol-version': '1999-01-01',
  }),
  legacy('an answer that it cannot accept', request('ping'), { accept: 'text/plain' }),
  { ...legacy('what is no JSON', {}), body: '{"jsonrpc":' },
  { what: 'GET', method: 'GET', headers: { accept: 'text/event-stream' } },
  { what: 'DELETE', method: 'DELETE', headers: { 'mcp-session-id': 'none' } },
  modern('server/discover', 'server/discover', {}),
  modern('a list', 'tools/list', {}),
  modern('a call', 'tools/call', ADD, { 'mcp-name': ADD.name }),
  modern('a call with an encoded name', 'tools/call', ADD, {
    'mcp-name': `=?base64?${btoa(ADD.name)}?=`,
  }),
  modern(
    'a call that streams',
    'tools/call',
    { name: 'test_tool_with_progress' },
    {
      'mcp-name': 'test_tool_with_progress',
    },
  ),
  modern('a call whose field names another tool', 'tools/call', ADD, { 'mcp-name': 'other' }),
  modern('a call without the field', 'tools/call', ADD),
  modern('an unknown method', 'no/such', {}),
  modern('a version to come', 'tools/list', {}, { 'mcp-protocol-version': '2099-01-01' }),
]

/** The answer as far as a client can tell one era from the other by it. */
async function send(url: string, { method = 'POST', headers, body }: Shape, bearer?: string) {
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) },
    ...(body !== undefined && { body }),
  })
  const { status } = response
  const type = response.headers.get('content-type')
  const allow = response.headers.get('allow')
  return { status, type, allow, body: await response.text() }
}

describe('MCP streamable HTTP, both eras, through any replica to any instance', () => {
  it.each(SHAPES)('$what: body and answer pass byte for byte', async shape => {
    const [direct] = backends
    const expected = await send(direct!.url, shape)
    for (const { requests } of backends) requests.length = 0
    const answers = [1, 2, 3].map(() => send(landscape.front.origin + PATH, shape, token))
    for (const answer of await Promise.all(answers)) expect(answer).toEqual(expected)
    const seen = backends.flatMap(({ requests }) => requests)
    expect(seen.map(({ method, body }) => ({ method, body }))).toEqual(
      Array(3).fill({ method: shape.method ?? 'POST', body: shape.body ?? '' }),
    )
  })
})

describe('MCP 2026-07-28, subscriptions/listen', () => {
  it('stays open while nothing happens, delivers what then does, and ends at the backend when its client goes', async () => {
    for (const { requests } of backends) requests.length = 0
    const leaving = new AbortController()
    const { headers, body } = modern('listen', 'subscriptions/listen', {
      notifications: { toolsListChanged: true },
    })
    const response = await fetch(landscape.front.origin + PATH, {
      ...{ method: 'POST', body: body!, signal: leaving.signal },
      headers: { ...headers, authorization: `Bearer ${token}` },
    })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    const received = collect(response)
    await waitFor(() => /^:/m.test(received()), {
      what: 'a comment that keeps the quiet stream alive',
      timeoutMs: QUIET_MS,
      intervalMs: 100,
    })
    const trigger = { name: 'test_trigger_tool_change', arguments: {} }
    const shape = modern('a call', 'tools/call', trigger, { 'mcp-name': trigger.name })
    expect((await send(landscape.front.origin + PATH, shape, token)).status).toBe(200)
    await waitFor(() => received().includes('notifications/tools/list_changed'), {
      what: 'the notification',
    })
    leaving.abort()
    const listening = () =>
      backends.flatMap(({ requests }) => requests).find(seen => seen.body.includes('listen'))
    await waitFor(() => listening()?.outcome === 'aborted', { what: 'the backend to notice' })
  }, 60_000)
})

describe('Fetch standard: a browser client', () => {
  it('may ask, and is answered, from an allowed origin; from another it may not', async () => {
    const preflight = await fetch(landscape.front.origin + PATH, {
      method: 'OPTIONS',
      headers: {
        origin: APP,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(APP)
    const shape = modern('a list', 'tools/list', {}, { origin: 'https://evil.example' })
    expect((await send(landscape.front.origin + PATH, shape, token)).status).toBe(403)
  })
})

function collect(response: Response): () => string {
  let received = ''
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body!) received += decoder.decode(chunk, { stream: true })
  }
  // It ends by being aborted.
  read().catch(() => undefined)
  return () => received
}
