/**
 * The benchmark: `npm run bench [-- --seconds 8 --rounds 3 --only gateway,nginx]`.
 *
 * Contenders share one processor, one after the other; load and backend have the other. Rounds are interleaved (A B C, A B C …), and what counts are the medians and their
 * ratios within this run: machines are noisy.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findFreePort } from '../support/free-port.ts'
import { type Contender, listContenders } from './contenders.ts'
import { type LoadResult, runLoad } from './load.ts'
import { startNginx } from './nginx.ts'
import { isInstalled } from './process.ts'
import { type Row, renderTable } from './report.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    only: { type: 'string' },
  },
})

const CONTENDER_CPU = '0'
const LOAD_CPU = '1'

/** What is sent and answered. */
const SCENARIOS = [
  { name: 'small call (1 KB, 300 B)', requestBytes: 1024, responseBytes: 300 },
  { name: '10 KB call (10 KB, 10 KB)', requestBytes: 10_240, responseBytes: 10_240 },
]

for (const tool of ['wrk', 'nginx', 'taskset', 'redis-server']) {
  if (!isInstalled(tool)) {
    console.error(
      `The benchmark needs ${tool}. On Debian: apt-get install wrk nginx-light util-linux redis-server`,
    )
    process.exit(1)
  }
}
if (cpus().length < 2) {
  console.error('The benchmark needs two processors: one for the contenders, one for the load.')
  process.exit(1)
}
const folder = await mkdtemp(join(tmpdir(), 'bench-'))
try {
  for (const scenario of SCENARIOS) await runScenario(scenario)
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)

async function runScenario(scenario: (typeof SCENARIOS)[number]): Promise<void> {
  console.log(
    `\n${scenario.name}, ${options.connections} connections, ${options.rounds} × ${options.seconds} s`,
  )
  const backend = await startBackend(scenario.responseBytes)
  const contenders: Contender[] = []
  for (const [name, start] of Object.entries(listContenders())) {
    if (options.only && !options.only.split(',').includes(name)) continue
    contenders.push(await start({ folder, backend: backend.origin, cpu: CONTENDER_CPU }))
  }
  const results = new Map<Contender, LoadResult[]>(contenders.map(contender => [contender, []]))
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    for (const contender of contenders) {
      const result = await measure(contender, scenario.requestBytes)
      results.get(contender)?.push(result)
      console.log(
        `  round ${round}  ${contender.name.padEnd(20)} ${Math.round(result.requestsPerSecond)}/s`,
      )
    }
  }
  const rows: Row[] = [...results].map(([{ name, does }, measured]) => ({ name, does, measured }))
  console.log(`\n${renderTable(rows)}`)
  for (const contender of contenders) await contender.stop()
  await backend.stop()
}

function measure({ url, headers, pids }: Contender, requestBytes: number): Promise<LoadResult> {
  const request = {
    url,
    method: 'POST' as const,
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: callOf(requestBytes),
  }
  return runLoad(request, {
    ...{ connections: Number(options.connections), seconds: Number(options.seconds) },
    ...{ pids, folder, cpu: LOAD_CPU },
  })
}

/** A `tools/call` of the given size. */
function callOf(bytes: number): string {
  const call = (text: string) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'echo', arguments: { text } },
    })
  return call('x'.repeat(bytes - call('').length))
}

/** Cheap enough not to be what is measured: nginx, answering a constant. */
async function startBackend(bytes: number) {
  const port = await findFreePort()
  const block = `server { listen 127.0.0.1:${port}; location / { ${renderAnswer(bytes)} } }`
  const { stop } = await startNginx(folder, LOAD_CPU, port, block)
  return { origin: `http://127.0.0.1:${port}`, stop }
}

/** A JSON-RPC answer of about that size. nginx takes no parameter of more than 4 KB, so the text is put together from a variable. */
function renderAnswer(bytes: number): string {
  const [head, tail] = [
    '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"',
    '"}]}}',
  ]
  const length = bytes - head.length - tail.length
  const pieceLength = Math.min(length, 1024)
  const reference = ['$', '{piece}'].join('').repeat(Math.round(length / pieceLength))
  return `set $piece '${'y'.repeat(pieceLength)}'; return 200 '${head}${reference}${tail}';`
}
