import type { ServerResponse } from 'node:http'
import { createScopeCatalogue } from '../../../src/domain/scope-catalogue.ts'
import { createAdmission } from '../../../src/proxy/admission.ts'
import { createPolicy } from '../../../src/proxy/policy.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import {
  ask,
  backendOptions,
  claims,
  eventually,
  type GatewayOptions,
  open,
  PUBLIC_URL,
  type Reply,
  startBackend,
  startGateway,
  usable,
} from '../support.ts'

/** How the backend answers from now on. */
export type Script = {
  tools: string[]
  ttlMs: number
  cacheScope: 'public' | 'private'
  form: 'json' | 'event-stream'
  status: number
  /** Whether answers wait for `release`. */
  isHolding: boolean
  /** Laid over each result. */
  result: Record<string, unknown>
  fields: Record<string, string>
  /** Users whose upstream token it refuses. */
  refused: string[]
}

export type HouseOptions = {
  script?: Partial<Script>
  gateway?: Partial<GatewayOptions>
  waitMs?: number
}

/** Who may see what: bob lacks the scope without which `export_*` is hidden. Carol is alice on another computer. */
const USERS: Record<string, { grantId: string; scope: string[] }> = {
  alice: { grantId: 'grant-alice', scope: ['crm.read', 'crm.export'] },
  carol: { grantId: 'grant-carol', scope: ['crm.read', 'crm.export'] },
  bob: { grantId: 'grant-bob', scope: ['crm.read'] },
}
const CATALOGUE = createScopeCatalogue(
  ['crm.read', 'crm.export'].map(name => ({ name, isDefault: true, implies: [] })),
  ['crm.read'],
)
const POLICY = createPolicy(CATALOGUE, [
  { pattern: 'export_*', scopes: ['crm.export'], isHidden: true },
])
const VERSION = '2026-07-28'

/** A backend with lists and a proxy that keeps them, for users whom the backend can tell apart. */
export async function setUp({ script: changes, gateway: others, waitMs }: HouseOptions = {}) {
  const script: Script = {
    ...{ tools: ['read', 'export_csv'], ttlMs: 60_000, cacheScope: 'public', form: 'json' },
    ...{ status: 200, isHolding: false, result: {}, fields: {}, refused: [], ...changes },
  }
  const held: (() => void)[] = []
  const streams: ServerResponse[] = []
  const backend = await startBackend((req, res, body) => {
    const user = req.headers.authorization ?? 'nobody'
    const isListening = req.method === 'GET' || req.headers['mcp-method'] === 'subscriptions/listen'
    if (isListening) {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      streams.push(res)
      return
    }
    const reply = () => answerList(script, user, res, body)
    if (script.isHolding) held.push(reply)
    else reply()
  })
  const time = { ms: 1_000_000 }
  const versions = new Map<string, number>()
  const gone = new Set<string>()
  const counted: string[] = []
  const { invalidations } = createMemoryStore()
  const gateway = await startGateway({
    instances: [backend.url],
    ...others,
    proxy: {
      // A second backend with the same instances.
      backends: ['/crm/mcp', '/wiki/mcp'].map(path => ({
        ...backendOptions([backend.url]),
        ...{ name: path, path, resource: PUBLIC_URL + path, keepsLists: true, policy: POLICY },
        ...others?.backend,
      })),
      admission: createAdmission({
        verifyAccessToken: async token => claimsOf(token),
        now: () => 0,
      }),
      lists: {
        invalidations,
        clock: () => time.ms,
        // Longer than any test: nothing must come right by waiting.
        waitMs: waitMs ?? 60_000,
        observe: () => ({
          listAnswered: how => void counted.push(how),
          listChanged: list => void counted.push(`${list} changed`),
        }),
      },
      ...others?.proxy,
    },
    tokens: {
      peek: grantId => (gone.has(grantId) ? undefined : tokenOf(grantId, versions.get(grantId))),
      resolve: async grantId =>
        gone.has(grantId)
          ? { outcome: 'gone', reason: 'revoked' }
          : tokenOf(grantId, versions.get(grantId)),
      resolveAfterRejection: async () => ({ outcome: 'rejected' }),
      ...others?.tokens,
    },
  })
  const asked = () => backend.seen.filter(({ body }) => body.includes('/list"'))
  return {
    ...{ script, backend, gateway, time, versions, gone, counted, invalidations, held, streams },
    /** Requests for lists that the backend has got. */
    count: () => asked().length,
    list: (user: string, change?: ListChange) => list(gateway, user, change),
    /** Answers what is held, and holds nothing any more. */
    release: () => {
      script.isHolding = false
      for (const reply of held.splice(0)) reply()
    },
    /** Opens a stream of notifications and waits until the backend has it. */
    listen: (user: string, method: 'GET' | 'POST') => listen(gateway, streams, user, method),
  }
}

export type House = Awaited<ReturnType<typeof setUp>>
export type ListChange = {
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  capabilities?: Record<string, unknown>
  headers?: Record<string, string>
  path?: string
}

/** One request for a list, by default for the tools. */
export function list(gateway: { port: number }, user: string, change?: ListChange): Promise<Reply> {
  return ask(gateway, requestOf(user, change))
}

export function requestOf(user: string, change: ListChange = {}) {
  const { id = 1, method = 'tools/list', params, capabilities = {}, headers, path } = change
  const meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientInfo': { name: 'a client', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  }
  return {
    token: user,
    ...(path !== undefined && { path }),
    headers: {
      ...{ accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
      ...{ 'mcp-protocol-version': VERSION, 'mcp-method': method, ...headers },
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } }),
  }
}

type Listed = { id: unknown; result: Record<string, unknown> & { tools: { name: string }[] } }

export function read({ body }: Reply): Listed {
  return JSON.parse(Buffer.from(body, 'latin1').toString()) as Listed
}

export function namesIn(reply: Reply): string[] {
  return read(reply).result.tools.map(({ name }) => name)
}

/** Answers as a server of 2026-07-28 does; who asked is in what is private. */
function answerList(script: Script, user: string, res: ServerResponse, body: string): void {
  const { tools, ttlMs, cacheScope, form, status, result, refused } = script
  if (refused.some(name => user.includes(name))) {
    res.writeHead(401).end()
    return
  }
  const { id, method } = JSON.parse(body) as { id: unknown; method: string }
  const items = [...tools, ...(cacheScope === 'private' ? [`of ${user}`] : [])]
  const key = method.split('/')[0] ?? ''
  const message = JSON.stringify({
    ...{ jsonrpc: '2.0', id },
    result: {
      ...{ [key]: items.map(name => ({ name })), resultType: 'complete' },
      ...{ ttlMs, cacheScope, ...result },
    },
  })
  const isStream = form === 'event-stream'
  const type = isStream ? 'text/event-stream' : 'application/json'
  res.writeHead(status, { 'content-type': type, ...script.fields })
  res.end(isStream ? `event: message\ndata: ${message}\n\n` : message)
}

/** A token names its user and, where it is for the second backend, that one's path. */
function claimsOf(token: string) {
  const [name = '', path = '/crm/mcp'] = token.split('~')
  const user = USERS[name]
  return user && claims({ ...user, resource: PUBLIC_URL + path })
}

function tokenOf(grantId: string, version = 1) {
  const token = usable(`token of ${grantId}`)
  const groups = [grantId.replace('grant-', '')]
  const identity = { ...token.grant.identity, groups }
  return { ...token, grant: { ...token.grant, grantId, version, identity } }
}

async function listen(
  gateway: { port: number },
  streams: readonly ServerResponse[],
  user: string,
  method: 'GET' | 'POST',
) {
  const before = streams.length
  const headers = { accept: 'text/event-stream', 'mcp-method': 'subscriptions/listen' }
  const body = '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}'
  const response = await open(
    gateway,
    method === 'GET'
      ? { method, token: user, headers: { accept: 'text/event-stream' } }
      : { method, token: user, headers, body },
  )
  let received = ''
  response.on('data', chunk => {
    received += String(chunk)
  })
  await eventually(() => streams.length > before, 'the stream is open')
  const stream = streams[before]
  return {
    /** The backend says that a list has changed, and the client has heard it. */
    async change(name: string): Promise<void> {
      const heard = received.length
      stream?.write(`data: {"jsonrpc":"2.0","method":"notifications/${name}/list_changed"}\n\n`)
      await eventually(() => received.length > heard, 'the client hears of the change')
    },
    close: () => response.destroy(),
  }
}
