import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { text } from './backend-tools.ts'
import { type RecordingBackend, startRecordingBackend } from './recording-backend.ts'

export type ListingBackend = RecordingBackend & {
  /** Adds a tool and tells everybody who listens. */
  addTool(name: string): void
  /** How many requests for the list of tools have come. */
  countLists(): number
}

const NOTHING = z.object({})

/** Starts an MCP server of 2026-07-28 on the v2 SDK whose list of tools may be kept, and changes. */
export async function startListingBackend(
  tools: readonly string[],
  cacheHint: { ttlMs: number; cacheScope: 'public' | 'private' },
): Promise<ListingBackend> {
  const names = [...tools]
  const handler = createMcpHandler(
    () => {
      const server = new McpServer(
        { name: 'listing-backend', version: '1.0.0' },
        { cacheHints: { 'tools/list': cacheHint, 'server/discover': cacheHint } },
      )
      for (const name of names) {
        server.registerTool(name, { inputSchema: NOTHING }, () => text(name))
      }
      return server
    },
    { legacy: 'reject' },
  )
  const backend = await startRecordingBackend({ instance: 'listing' }, ({ request }) =>
    handler.fetch(request),
  )
  return {
    ...backend,
    addTool(name) {
      names.push(name)
      handler.notify.toolsChanged()
    },
    countLists: () => backend.requests.filter(({ body }) => body.includes('"tools/list"')).length,
    close: async () => {
      await handler.close()
      await backend.close()
    },
  }
}
