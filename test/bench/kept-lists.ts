import { type BenchGateway, startBenchGateway } from './gateway.ts'
import { type LoadOptions, type LoadResult, runLoad } from './load.ts'

/** Requests for one list, with and without its being kept. */
export type KeptLists = LoadResult & { name: string; hitRatio: number | undefined }

const VERSION = '2026-07-28'
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientInfo': { name: 'benchmark', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** So few that what is measured is how long an answer takes, and not how long it waits for the others. */
const CONNECTIONS = 8

/** @param options without the processes */
export async function measureKeptLists(
  backend: string,
  cpu: string,
  options: Omit<LoadOptions, 'pids'>,
): Promise<KeptLists[]> {
  const load = { ...options, connections: CONNECTIONS }
  const measured: KeptLists[] = []
  for (const keepsLists of [false, true]) {
    const gateway = await startBenchGateway({ instance: `${backend}/mcp`, cpu, keepsLists })
    await ask(gateway, { ...load, seconds: 1 })
    const before = await countRequests(gateway)
    const result = await ask(gateway, load)
    const after = await countRequests(gateway)
    const [hits, all] = [after.hits - before.hits, after.all - before.all]
    const name = keepsLists ? 'kept for a minute' : 'asked for each time'
    measured.push({ ...result, name, hitRatio: keepsLists ? hits / all : undefined })
    await gateway.stop()
  }
  return measured
}

function ask(
  { url, accessTokens: [token], pid }: BenchGateway,
  load: Omit<LoadOptions, 'pids'>,
): Promise<LoadResult> {
  const headers = {
    ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': VERSION },
    'mcp-method': 'tools/list',
  }
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: META } }
  const request = { url, method: 'POST' as const, headers, body: JSON.stringify(message) }
  return runLoad(request, { ...load, pids: [pid] })
}

/** As the gateway itself has counted them. */
async function countRequests({ opsUrl }: BenchGateway): Promise<{ hits: number; all: number }> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text()
  const lines = text.matchAll(/^mcp_gateway_list_cache_requests_total\{.*result="(\w+)"\} (\d+)$/gm)
  const counts = [...lines].map(([, result, count]) => ({ result, count: Number(count) }))
  const sum = (wanted: (result?: string) => boolean): number =>
    counts.reduce((total, { result, count }) => total + (wanted(result) ? count : 0), 0)
  return { hits: sum(result => result === 'hit'), all: sum(() => true) }
}
