import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'

/** What the tests ask of a client, whichever SDK and era it is. */
export type TestClient = {
  toolNames(): Promise<string[]>
  /** Calls a tool and answers its first text block; throws where the result is an error. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<string>
  close(): Promise<void>
}

export type CallOptions = {
  onprogress?: (progress: { progress: number }) => void
  signal?: AbortSignal
}

export type Connect = (url: string, token?: string) => Promise<TestClient>

const IDENTITY = { name: 'test-client', version: '1.0.0' }

/** The v1 SDK, which speaks 2025-11-25. */
export const connectLegacy: Connect = async (url, token) => {
  const client = new LegacyClient(IDENTITY)
  // The v1 SDK's own class does not match its own interface under exactOptionalPropertyTypes.
  await client.connect(new LegacyTransport(new URL(url), withToken(token)) as Transport)
  return {
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options) =>
      firstText(await client.callTool({ name, arguments: args ?? {} }, undefined, options)),
    close: () => client.close(),
  }
}

/** The v2 SDK, pinned to 2026-07-28. */
export const connectModern: Connect = async (url, token) => {
  const client = new ModernClient(IDENTITY, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(new ModernTransport(new URL(url), withToken(token)))
  return {
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options) =>
      firstText(await client.callTool({ name, arguments: args ?? {} }, options)),
    close: () => client.close(),
  }
}

export const ERAS: readonly { era: string; connect: Connect }[] = [
  { era: '2025-11-25 (v1 SDK)', connect: connectLegacy },
  { era: '2026-07-28 (v2 SDK)', connect: connectModern },
]

function withToken(token: string | undefined) {
  return token === undefined
    ? {}
    : { requestInit: { headers: { authorization: `Bearer ${token}` } } }
}

/** The first text block of a tool result; throws where it is an error. */
export function firstText(result: unknown): string {
  const { content, isError } = result as { content: { text?: string }[]; isError?: boolean }
  const text = content[0]?.text
  if (isError || text === undefined) throw new Error(text ?? 'no text')
  return text
}
