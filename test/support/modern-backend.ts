import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { ADD, add, SLOW_COUNT, slowCount, text, whoami } from './backend-tools.ts'
import {
  type BackendOptions,
  type Exchange,
  type RecordingBackend,
  startRecordingBackend,
} from './recording-backend.ts'

const NOTHING = z.object({})

/** Starts an MCP server of 2026-07-28 on the v2 SDK, which refuses older clients. */
export function startModernBackend(options: BackendOptions): Promise<RecordingBackend> {
  return startRecordingBackend(options, exchange => {
    const handler = createMcpHandler(() => createServer(options.instance, exchange), {
      legacy: 'reject',
    })
    exchange.gone.addEventListener('abort', () => void handler.close())
    return handler.fetch(exchange.request)
  })
}

function createServer(instance: string, { request, recordCall }: Exchange): McpServer {
  const server = new McpServer({ name: 'modern-backend', version: '1.0.0' })
  server.registerTool('whoami', { inputSchema: NOTHING }, () =>
    whoami(instance, request.headers.get('authorization')),
  )
  server.registerTool('add', { inputSchema: ADD }, add)
  server.registerTool('record_call', { inputSchema: NOTHING }, () => text(String(recordCall())))
  server.registerTool('slow_count', { inputSchema: SLOW_COUNT }, (input, { mcpReq }) =>
    slowCount(input, {
      signal: mcpReq.signal,
      progressToken: mcpReq._meta?.progressToken,
      notify: params => mcpReq.notify({ method: 'notifications/progress', params }),
    }),
  )
  return server
}
