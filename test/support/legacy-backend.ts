import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { ADD, add, SLOW_COUNT, slowCount, text, whoami } from './backend-tools.ts'
import {
  type BackendOptions,
  type Exchange,
  type RecordingBackend,
  startRecordingBackend,
} from './recording-backend.ts'

/** Starts a stateless MCP server of 2025-11-25 on the v1 SDK: a server and a transport for each request, no session, GET and DELETE answered with 405. */
export function startLegacyBackend(options: BackendOptions): Promise<RecordingBackend> {
  return startRecordingBackend(options, async exchange => {
    const { request, gone } = exchange
    if (request.method !== 'POST') return refuseMethod()
    const server = createServer(options.instance, exchange)
    const transport = new WebStandardStreamableHTTPServerTransport({})
    await server.connect(transport)
    gone.addEventListener('abort', () => void server.close())
    return transport.handleRequest(request)
  })
}

function createServer(instance: string, { request, recordCall }: Exchange): McpServer {
  const server = new McpServer({ name: 'legacy-backend', version: '1.0.0' })
  server.registerTool('whoami', {}, () => whoami(instance, request.headers.get('authorization')))
  server.registerTool('add', { inputSchema: ADD }, add)
  server.registerTool('record_call', {}, () => text(String(recordCall())))
  server.registerTool('slow_count', { inputSchema: SLOW_COUNT }, (input, extra) =>
    slowCount(input, {
      signal: extra.signal,
      progressToken: extra._meta?.progressToken,
      notify: params => extra.sendNotification({ method: 'notifications/progress', params }),
    }),
  )
  return server
}

function refuseMethod(): Response {
  const error = { code: -32000, message: 'Method not allowed.' }
  return Response.json(
    { jsonrpc: '2.0', error, id: null },
    { status: 405, headers: { allow: 'POST' } },
  )
}
