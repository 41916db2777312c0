import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { createId } from '../../src/domain/secret.ts'
import { signIn as signInAt } from '../fault/client.ts'
import { findFreePorts } from '../support/free-port.ts'
import { startGatewayFrom } from '../support/gateway-process.ts'
import { type ListingBackend, startListingBackend } from '../support/listing-backend.ts'
import { connectModern } from '../support/mcp-clients.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { registerClient, signIn, tokensOf } from './oauth-client.ts'

const TIMEOUT_MS = 60_000
const HINT = { ttlMs: 600_000, cacheScope: 'public' } as const

async function startBackend(tools: readonly string[]): Promise<ListingBackend> {
  const backend = await startListingBackend(tools, HINT)
  onTestFinished(backend.close)
  return backend
}

/** Two replicas in front of one backend whose lists are kept; `export` is hidden from those without a scope. */
async function setUp(backend: ListingBackend): Promise<Landscape> {
  const described = {
    ...{ path: '/modern/mcp', instances: [backend.url], cache: { lists: true } },
    scopes: ['mcp.read', 'mcp.export'],
    tools: { export: { scopes: ['mcp.export'], hidden: true } },
  }
  const landscape = await startLandscape({ replicas: 2, config: { backends: [described] } })
  onTestFinished(landscape.close)
  return landscape
}

/** As a client sees them that has just been started. */
async function toolsAt(origin: string, token: string): Promise<string[]> {
  const client = await connectModern(`${origin}/modern/mcp`, token)
  const names = await client.toolNames()
  await client.close()
  return names
}

async function metricsOf(landscape: Landscape): Promise<string> {
  const texts = landscape.replicas.map(async ({ opsOrigin }) =>
    (await fetch(`${opsOrigin}/metrics`)).text(),
  )
  return (await Promise.all(texts)).join('')
}

/** Opens a stream of notifications, and waits until the backend has agreed to it. */
async function listen(origin: string, token: string): Promise<void> {
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'a listener', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const response = await fetch(`${origin}/modern/mcp`, {
    method: 'POST',
    signal: abort.signal,
    headers: {
      ...{ accept: 'application/json, text/event-stream', authorization: `Bearer ${token}` },
      ...{ 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28' },
      'mcp-method': 'subscriptions/listen',
    },
    body: JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen' },
      params: { _meta: meta, notifications: { toolsListChanged: true } },
    }),
  })
  const reader = response.body?.getReader()
  const first = await reader?.read()
  expect(String(Buffer.from(first?.value ?? ''))).toContain('subscriptions/acknowledged')
  const readOn = async (): Promise<void> => {
    while (!(await reader?.read())?.done) {}
  }
  readOn().catch(() => {})
}

describe('lists that are kept, with the v2 SDK on both sides', () => {
  it(
    'are shared by grants, shown to each as it may see them, and renewed on all replicas when one sees a change',
    async () => {
      const backend = await startBackend(['read', 'export'])
      const landscape = await setUp(backend)
      const [one = '', two = ''] = landscape.replicas.map(({ origin }) => origin)
      const client = await registerClient(landscape)
      const url = mcpUrl(landscape, 'modern')
      const alice = await signIn(landscape, client, url)
      const other = await signIn(landscape, await registerClient(landscape), url)
      const narrowed = await client.refresh(alice.refreshToken, undefined, 'mcp.read')
      const limited = tokensOf(narrowed).accessToken

      expect(await toolsAt(one, alice.accessToken)).toEqual(['read', 'export'])
      expect(await toolsAt(one, limited)).toEqual(['read'])
      expect(await toolsAt(one, other.accessToken)).toEqual(['read', 'export'])
      expect(backend.countLists()).toBe(1)
      expect(await toolsAt(two, limited)).toEqual(['read'])
      expect(await toolsAt(two, alice.accessToken)).toEqual(['read', 'export'])
      expect(backend.countLists()).toBe(2)

      await listen(one, other.accessToken)
      backend.addTool('write')
      for (const origin of [two, one]) {
        await waitFor(
          async () => (await toolsAt(origin, alice.accessToken)).join() === 'read,export,write',
          { what: 'the new list', timeoutMs: TIMEOUT_MS / 3 },
        )
        expect(await toolsAt(origin, limited)).toEqual(['read', 'write'])
      }

      const metrics = await metricsOf(landscape)
      const label = 'backend="modern"'
      expect(metrics).toContain(
        `mcp_gateway_list_cache_invalidations_total{${label},list="tools"} 1`,
      )
      expect(metrics).toMatch(
        /mcp_gateway_list_cache_requests_total\{backend="modern",result="hit"\} [1-9]/,
      )
      expect(metrics).toMatch(/^mcp_gateway_list_cache_entries [1-9]/m)
      expect(metrics).toMatch(/^mcp_gateway_list_cache_bytes [1-9]\d{2}/m)
    },
    TIMEOUT_MS,
  )

  it(
    'are shown by the policy of the configuration that runs, from its reload on',
    async () => {
      const backend = await startBackend(['read', 'export'])
      const [port = 0, opsPort = 0] = await findFreePorts(2)
      const origin = `http://127.0.0.1:${port}`
      const { issuer, clientId, clientSecret, close } = await startOidcProvider({
        redirectUris: [`${origin}/callback`],
      })
      onTestFinished(close)
      const configure = (tools: Record<string, unknown>) =>
        stringify({
          ...{ publicUrl: origin, keys: [mintKey()], listen: { port }, ops: { port: opsPort } },
          upstream: { provider: 'oidc', issuer, clientId, clientSecret },
          backends: [{ path: '/crm/mcp', instances: [backend.url], cache: { lists: true }, tools }],
        })
      const file = join(tmpdir(), `${createId()}.yaml`)
      const written = configure({})
      await writeFile(file, written)
      onTestFinished(() => rm(file))
      const gateway = await startGatewayFrom(file)
      onTestFinished(gateway.kill)
      const { accessToken } = await signInAt({ front: { origin } })
      const names = async () => {
        const client = await connectModern(`${origin}/crm/mcp`, accessToken)
        const listed = await client.toolNames()
        await client.close()
        return listed
      }
      expect(await names()).toEqual(['read', 'export'])
      expect(await names()).toEqual(['read', 'export'])
      expect(backend.countLists()).toBe(1)
      await writeFile(file, written.replace('tools: {}', 'tools: { export: { hidden: true } }'))
      await waitFor(() => gateway.logs().includes('configuration reloaded'), {
        what: 'the reload',
        timeoutMs: TIMEOUT_MS / 3,
      })
      expect(await names()).toEqual(['read'])
    },
    TIMEOUT_MS,
  )
})
