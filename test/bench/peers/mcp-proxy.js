// The way its command line goes about it, with a backend that is reached over HTTP: one client towards the backend for
// all callers, and a server for each call, since neither side has sessions here.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Server } from '@modelcontextprotocol/server'
import { proxyServer, startHTTPServer } from 'mcp-proxy'

// Its calls share one abort signal, which Node.js may warn of at each call: writing that is not what is measured.
process.removeAllListeners('warning')

const [port, base] = process.argv.slice(2)
const client = new Client({ name: 'mcp-proxy', version: '1' }, { capabilities: {} })
await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', base)))
const serverCapabilities = client.getServerCapabilities()

async function createServer() {
  const server = new Server(client.getServerVersion(), { capabilities: serverCapabilities })
  await proxyServer({ client, server, serverCapabilities })
  return server
}

await startHTTPServer({
  ...{ createServer, host: '127.0.0.1', port: Number(port) },
  ...{ sseEndpoint: null, stateless: true, eventStore: false, enableJsonResponse: true },
})
