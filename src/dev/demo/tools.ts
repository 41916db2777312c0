/** Calls to an MCP server behind the gateway, with the MCP SDK's own client. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import * as z from 'zod'
import type { Report } from './report.ts'

const CALLS_AT_MOST = 100
const TOOLS = ['whoami', 'add', 'slow_count']

const whoami = z.object({ instance: z.string(), subject: z.string() })
const textResult = z.object({
  content: z.tuple([z.object({ text: z.string() })], z.unknown()),
  isError: z.literal(false).optional(),
})

/** @param token the access token of the moment, asked for before each request */
export async function connect(mcpUrl: string, token: () => string): Promise<Client> {
  const client = new Client(
    { name: 'demo', version: '1.0.0' },
    { versionNegotiation: { mode: 'auto' } },
  )
  const authProvider = { token: async () => token() }
  await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider }))
  return client
}

/** @throws Error where a tool of the sample backend is missing */
export async function listTools(report: Report, client: Client): Promise<void> {
  const names = (await client.listTools()).tools.map(({ name }) => name)
  report.fact('MCP revision', client.getNegotiatedProtocolVersion() ?? 'unknown')
  report.fact('tools', names.join(', '))
  const missing = TOOLS.filter(name => !names.includes(name))
  if (missing.length > 0)
    throw new Error(`this is no sample backend: ${missing.join(', ')} missing`)
}

/** Calls until `instances` different ones have answered. */
export async function meetInstances(
  report: Report,
  client: Client,
  instances: number,
): Promise<void> {
  const met = new Map<string, string>()
  let calls = 0
  while (met.size < instances) {
    if (calls === CALLS_AT_MOST)
      throw new Error(`${calls} calls met ${met.size} of ${instances} instances`)
    calls += 1
    const { structuredContent } = await client.callTool({ name: 'whoami', arguments: {} })
    const { instance, subject } = whoami.parse(structuredContent)
    if (!met.has(instance))
      report.fact(`call ${calls} was answered by ${instance}`, `as ${subject}`)
    met.set(instance, subject)
  }
}

export async function add(report: Report, client: Client, a: number, b: number): Promise<void> {
  const sum = readText(await client.callTool({ name: 'add', arguments: { a, b } }))
  report.fact(`add ${a} and ${b}`, sum)
  if (sum !== String(a + b)) throw new Error(`${a} and ${b} are not ${sum}`)
}

/** Shows the progress as it comes. */
export async function countSlowly(report: Report, client: Client): Promise<void> {
  const steps = { to: 3, delayMs: 300 }
  const startedAt = performance.now()
  let seen = 0
  const onprogress = ({ progress, total }: { progress: number; total?: number | undefined }) => {
    seen += 1
    report.fact(`after ${Math.round(performance.now() - startedAt)} ms`, `${progress} of ${total}`)
  }
  const result = await client.callTool({ name: 'slow_count', arguments: steps }, { onprogress })
  report.fact('result', readText(result))
  if (seen !== steps.to) throw new Error(`${seen} of ${steps.to} progress events came`)
}

function readText(result: unknown): string {
  return textResult.parse(result).content[0].text
}
