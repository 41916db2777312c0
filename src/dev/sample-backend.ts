import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { listen } from './listen.ts'
import { createSampleServer } from './sample-tools.ts'

export type SampleBackendOptions = {
  /** 0 for any free one. */
  port: number
  /** Address to bind. Default 127.0.0.1: it trusts whoever reaches it. */
  host?: string
  /** What `whoami` calls this instance, such as `demo-1`. */
  instance: string
  /** Default `/mcp`. */
  path?: string
}

export type SampleBackend = { url: string; close(): Promise<void> }

/**
 * Starts one instance of the sample backend: a stateless MCP server that speaks 2026-07-28 and, to clients that do not, 2025-11-25. Every request gets a server of its
 * own, so it does not matter which instance answers; GET and DELETE, which need sessions, are answered with 405.
 *
 * @throws the socket's error where the port cannot be bound
 */
export async function startSampleBackend(options: SampleBackendOptions): Promise<SampleBackend> {
  const { instance, port, host = '127.0.0.1', path = '/mcp' } = options
  const handler = createMcpHandler(({ requestInfo }) =>
    createSampleServer(instance, requestInfo?.headers.get('authorization') ?? null),
  )
  const serve = (request: Request) =>
    new URL(request.url).pathname === path
      ? handler.fetch(request)
      : new Response(null, { status: 404 })
  const server = createServer(getRequestListener(serve, { overrideGlobalObjects: false }))
  const { origin, close } = await listen(server, port, host)
  return {
    url: origin + path,
    close: async () => {
      await handler.close()
      await close()
    },
  }
}
