import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { reasonOf } from '../../observability/reason.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

export type ExaminedBackend = { resource: string; instances: readonly string[] }

const IDENTITY = { name: 'mcp-auth-gateway-doctor', version: '1' }
const TIMEOUT_MS = 10_000
const MODERN_VERSION = '2026-07-28'

/**
 * Talks to each instance as an MCP client does, in both eras, and asks whether it matters which instance gets which request.
 *
 * @param token of the identity provider, for backends that want one
 */
export async function examineBackend(
  { resource, instances }: ExaminedBackend,
  token: string | undefined,
): Promise<Finding[]> {
  const each = await Promise.all(
    instances.map(instance => examineInstance(instance, token, instances.length === 1)),
  )
  const speaks = instances.filter((_, index) => each[index]?.speaksLegacy)
  return [
    ...each.flatMap(({ findings }) => findings),
    ...(speaks.length > 1 ? [await examineTurns(resource, speaks, token)] : []),
  ]
}

async function examineInstance(instance: string, token: string | undefined, isAlone: boolean) {
  const legacy = await converse(instance, () => instance, token)
  const modern = await converseModern(instance, token)
  const speaksLegacy = legacy.outcome === 'answered'
  const findings =
    legacy.outcome === 'answered'
      ? [
          ok(`${instance} speaks 2025-11-25, ${legacy.tools} tools`),
          ...judgeSession(instance, legacy, isAlone),
        ]
      : []
  if (modern?.outcome === 'answered') {
    findings.push(ok(`${instance} speaks ${MODERN_VERSION}, ${modern.tools} tools`))
  }
  if (findings.length > 0) return { speaksLegacy, findings }
  return { speaksLegacy, findings: [judgeSilence(instance, legacy, token)] }
}

type Conversation =
  | { outcome: 'answered'; tools: number; sessionId: string | undefined }
  | { outcome: 'failed'; reason: string; wantsToken: boolean }

function judgeSession(
  instance: string,
  { sessionId }: Conversation & { outcome: 'answered' },
  isAlone: boolean,
): Finding[] {
  if (sessionId === undefined) return []
  const fix =
    'run the server stateless (with the TypeScript SDK: no sessionIdGenerator), or with a single instance'
  const what = `${instance} keeps sessions (it sends Mcp-Session-Id)`
  return isAlone ? [warn(what, fix)] : [fail(`${what}: another instance does not know them`, fix)]
}

function judgeSilence(
  instance: string,
  conversation: Conversation,
  token: string | undefined,
): Finding {
  const reason = conversation.outcome === 'failed' ? conversation.reason : ''
  if (conversation.outcome === 'failed' && conversation.wantsToken) {
    return token === undefined
      ? ok(`${instance} answers, and wants a token; --token-file gives it one`)
      : fail(
          `${instance} refuses the token`,
          'compare the audience and the issuer that it expects with those of the token',
        )
  }
  return fail(
    `${instance} does not speak MCP: ${reason}`,
    'check the URL with its path, and that the server runs',
  )
}

/** One conversation whose requests go to the instances in turn, as they do behind the gateway. */
async function examineTurns(
  resource: string,
  instances: readonly string[],
  token: string | undefined,
): Promise<Finding> {
  let turn = 0
  const next = () => instances[turn++ % instances.length] ?? ''
  const conversation = await converse(instances[0] ?? '', next, token)
  if (conversation.outcome === 'answered') {
    return ok(`${resource}: its ${instances.length} instances answer one conversation in turn`)
  }
  return fail(
    `${resource}: one conversation over several instances breaks: ${conversation.reason}`,
    'run the server stateless: any instance has to answer any request',
  )
}

/** `initialize`, then a list of tools. @param instanceOf the URL for each request */
async function converse(
  instance: string,
  instanceOf: () => string,
  token: string | undefined,
): Promise<Conversation> {
  const client = new Client(IDENTITY)
  const seen = { wantsToken: false }
  const transport = new StreamableHTTPClientTransport(new URL(instance), {
    fetch: createFetch(instanceOf, token, seen),
  })
  try {
    // The SDK's own class does not match its own interface under exactOptionalPropertyTypes.
    await client.connect(transport as Transport, { timeout: TIMEOUT_MS })
    const { sessionId } = transport
    const { tools } = await client.listTools({}, { timeout: TIMEOUT_MS })
    return { outcome: 'answered', tools: tools.length, sessionId }
  } catch (error) {
    return { outcome: 'failed', reason: reasonOf(error), ...seen }
  } finally {
    await client.close().catch(() => {})
  }
}

/** `undefined` where the SDK of that era is not installed: it is not needed for running the gateway. */
async function converseModern(
  instance: string,
  token: string | undefined,
): Promise<Conversation | undefined> {
  const sdk = await import('@modelcontextprotocol/client').catch(() => undefined)
  if (!sdk) return undefined
  const mode = { pin: MODERN_VERSION }
  const client = new sdk.Client(IDENTITY, { versionNegotiation: { mode } })
  const seen = { wantsToken: false }
  const transport = new sdk.StreamableHTTPClientTransport(new URL(instance), {
    fetch: createFetch(() => instance, token, seen),
  })
  try {
    await client.connect(transport, { timeout: TIMEOUT_MS })
    const { tools } = await client.listTools({}, { timeout: TIMEOUT_MS })
    return { outcome: 'answered', tools: tools.length, sessionId: undefined }
  } catch (error) {
    return { outcome: 'failed', reason: reasonOf(error), ...seen }
  } finally {
    await client.close().catch(() => {})
  }
}

function createFetch(
  instanceOf: () => string,
  token: string | undefined,
  seen: { wantsToken: boolean },
) {
  return async (_url: string | URL, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers)
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    const response = await fetch(instanceOf(), { ...init, headers })
    if (response.status === 401) seen.wantsToken = true
    return response
  }
}
