/**
 * What the suite runs as the client under test: an official SDK that reaches the suite's server through the gateway. So the suite sees what a backend sees.
 *
 * Called with the URL of the suite's server; the environment names the gateway, the tokens for its paths, and where to say which server is meant.
 */
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'

const IDENTITY = { name: 'client-behind-the-gateway', version: '1.0.0' }
const MODERN = '2026-07-28'

const {
  GATEWAY_URL = '',
  GATEWAY_TOKENS = '{}',
  CHANGEOVER_URL = '',
  MCP_CONFORMANCE_SCENARIO: scenario = '',
  MCP_CONFORMANCE_PROTOCOL_VERSION: version = '',
  MCP_CONFORMANCE_CONTEXT: context = '{}',
} = process.env

const server = new URL(process.argv.at(-1) ?? '')
await fetch(CHANGEOVER_URL, { method: 'POST', body: server.origin })
const path = server.pathname === '/' ? '/root/mcp' : '/mcp'
const url = new URL(GATEWAY_URL + path)
const requestInit = { headers: { authorization: `Bearer ${JSON.parse(GATEWAY_TOKENS)[path]}` } }
await (version === MODERN ? runModern() : runLegacy())

async function runLegacy(): Promise<void> {
  const client = new LegacyClient(IDENTITY, {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
  })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content: {} }))
  const transport = new LegacyTransport(url, { requestInit })
  // The v1 SDK's own class does not match its own interface under exactOptionalPropertyTypes.
  await client.connect(transport as Transport)
  const { tools } = scenario === 'sse-retry' ? { tools: [] } : await client.listTools()
  const names = scenario === 'sse-retry' ? ['test_reconnection'] : tools.map(({ name }) => name)
  for (const name of names) {
    const params = { name, arguments: { a: 5, b: 3 } }
    await client.request({ method: 'tools/call', params }, CallToolResultSchema)
  }
  await client.close()
}

async function runModern(): Promise<void> {
  const client = new ModernClient(IDENTITY, {
    capabilities: { elicitation: {}, roots: {}, sampling: {} },
    versionNegotiation: { mode: 'auto' },
  })
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept' as const,
    content: { confirmed: true },
  }))
  await client.connect(new ModernTransport(url, { requestInit, fetch: discovering }))
  await act(client)
  await client.close()
}

async function act(client: ModernClient): Promise<void> {
  const { tools } = await client.listTools()
  const { toolCalls } = JSON.parse(context) as {
    toolCalls?: Parameters<typeof client.callTool>[0][]
  }
  const listed = tools.map(({ name }) => ({ name, arguments: { a: 5, b: 3, region: 'us-west1' } }))
  const isListOnly = scenario === 'json-schema-ref-no-deref'
  for (const call of isListOnly ? [] : (toolCalls ?? listed)) {
    // Some servers of the suite answer what a client must refuse.
    await client.callTool(call).catch(() => undefined)
  }
  if (scenario !== 'http-standard-headers') return
  for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri })
  for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name })
}

/** Most servers of the suite know no `server/discover`, without which the SDK does not take them for modern; here they seem to. */
async function discovering(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const isKnown = scenario === 'request-metadata' || scenario === 'tools_call'
  const message = typeof init?.body === 'string' ? JSON.parse(init.body) : {}
  if (isKnown || message.method !== 'server/discover') return fetch(input, init)
  const result = {
    resultType: 'complete',
    supportedVersions: [MODERN],
    capabilities: { tools: {}, resources: {}, prompts: {} },
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': IDENTITY },
  }
  return Response.json({ jsonrpc: '2.0', id: message.id, result })
}
