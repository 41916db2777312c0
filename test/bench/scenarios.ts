import { join } from 'node:path'
import { findFreePort } from '../support/free-port.ts'
import { callOf, renderAnswer } from './call.ts'
import { renderChart } from './chart.ts'
import {
  type Contender,
  listCallContenders,
  listContenders,
  listMcpContenders,
} from './contenders.ts'
import { measureColdGrants, measureExpiryStorm } from './grants.ts'
import { type HalfLoad, measureHalfLoad } from './half-load.ts'
import { measureIdleStreams } from './idle-streams.ts'
import { measureKeptLists } from './kept-lists.ts'
import { LEAD_SECONDS, type LoadResult, runLoad, warmUpSeconds } from './load.ts'
import { startNginx } from './nginx.ts'
import { startBound } from './process.ts'
import {
  renderColdGrants,
  renderCrews,
  renderExpiryStorm,
  renderHalfLoad,
  renderIdleStreams,
  renderKeptLists,
  renderLoadTable,
  renderSlowReaders,
  summarise,
} from './report.ts'
import { measureSlowReaders } from './slow-reader.ts'
import { measureCrews } from './workers.ts'

export type RunOptions = {
  folder: string
  /** Processors. */
  contenderCpu: string
  loadCpu: string
  seconds: number
  rounds: number
  connections: number
  /** Names of contenders; all where it is missing. */
  only: readonly string[] | undefined
  against: string | undefined
  /** Shows progress. */
  note: (line: string) => void
}

/** `charts`: SVG by file name. */
export type Outcome = { table: string; charts?: Record<string, string> }

type Scenario = { title: string; run: (options: RunOptions) => Promise<Outcome> }
/** `chart`: name of a file. `expected`: what every answer has to match, as patterns of Lua. */
type Course = { chart?: string; list?: typeof listContenders; expected?: readonly string[] }
type RunningBackend = { origin: string; stop(): Promise<void> }

/** What is measured, in this order. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  small: {
    title: 'Small call: 1 KB asked, 300 B answered',
    run: options => runCalls(options, 1024, 300, 'performance-small-call.svg'),
  },
  '10k': {
    title: '10 KB call: 10 KB asked, 10 KB answered',
    run: options => runCalls(options, 10_240, 10_240),
  },
  events: {
    title: 'Event stream: 100 events of 180 B in each answer',
    run: options =>
      withBackend(startStreaming('events', options), backend => drive(options, backend, 1024)),
  },
  mcp: {
    title: 'Small call next to a proxy that speaks MCP, all before the same MCP backend',
    run: options =>
      withBackend(startStreaming('mcp', options), backend =>
        drive(options, backend, 1024, {
          list: listMcpContenders,
          expected: ['"id":1[,}]', '"text":"y+"'],
        }),
      ),
  },
  half: { title: 'Answering times of the small call at half load', run: runHalfLoad },
  workers: {
    title: 'Two workers: small calls, next to two gateways',
    run: options =>
      withBackend(startConstant(options, 300), async ({ origin }) => {
        const { contenderCpu: cpu, rounds, note } = options
        const crews = { instance: `${origin}/mcp`, cpu, load: loadOf(options), rounds, note }
        return { table: renderCrews(await measureCrews(crews)) }
      }),
  },
  slow: {
    title: '10 MB answers and slow readers',
    run: options => runEach(options, 'large', measureSlowReaders, renderSlowReaders),
  },
  idle: {
    title: '2,000 open streams with an event every five seconds',
    run: options => runEach(options, 'idle', measureIdleStreams, renderIdleStreams),
  },
  lists: {
    title: 'tools/list: 30 tools (8 KB) of a backend that takes 5 ms to list them',
    run: options =>
      withBackend(startStreaming('lists', options), async ({ origin }) => ({
        table: renderKeptLists(
          await measureKeptLists(origin, options.contenderCpu, loadOf(options)),
        ),
      })),
  },
  cold: {
    title: 'Cold grants',
    run: options =>
      withBackend(startConstant(options, 300), async ({ origin }) => ({
        table: renderColdGrants(await measureColdGrants(origin, options.contenderCpu)),
      })),
  },
  storm: {
    title: 'Expiry storm: all upstream tokens have expired, and everybody calls at once',
    run: options =>
      withBackend(startConstant(options, 300), async ({ origin }) => ({
        table: renderExpiryStorm(await measureExpiryStorm(origin, options.contenderCpu)),
      })),
  },
}

function loadOf({ connections, seconds, folder, loadCpu }: RunOptions) {
  return { connections, seconds, folder, cpu: loadCpu }
}

function runCalls(
  options: RunOptions,
  requestBytes: number,
  responseBytes: number,
  chart?: string,
): Promise<Outcome> {
  return withBackend(startConstant(options, responseBytes), backend =>
    drive(options, backend, requestBytes, {
      list: listCallContenders,
      ...(chart !== undefined && { chart }),
    }),
  )
}

/** Drives load through every contender, round after round. */
async function drive(
  options: RunOptions,
  backend: RunningBackend,
  requestBytes: number,
  { chart, list, expected }: Course = {},
): Promise<Outcome> {
  const useAll = async (contenders: readonly Contender[]): Promise<Outcome> => {
    const results = new Map<Contender, LoadResult[]>(contenders.map(one => [one, []]))
    options.note('  warming up')
    const longer = { ...options, seconds: warmUpSeconds(options.seconds) }
    for (const contender of contenders) await load(longer, contender, requestBytes, expected)
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const contender of contenders) {
        await load({ ...options, seconds: LEAD_SECONDS }, contender, requestBytes, expected)
        const result = await load(options, contender, requestBytes, expected)
        results.get(contender)?.push(result)
        const [rate, micros] = [result.requestsPerSecond, result.cpuMicrosPerRequest]
        options.note(
          `  round ${round}  ${contender.name.padEnd(20)} ${Math.round(rate)}/s  ${micros.toFixed(1)} µs`,
        )
      }
    }
    const rows = [...results].map(([{ name, does }, measured]) =>
      summarise({ name, does, measured }),
    )
    const bars = rows
      .filter(({ name }) => name !== 'direct')
      .map(({ name, cpuMicros }) => ({ name, value: cpuMicros, isOurs: name === 'gateway' }))
    const charts = chart && {
      [chart]: renderChart('Processor time of a small call (less is better)', 'µs', bars),
    }
    return { table: renderLoadTable(rows), ...(charts && { charts }) }
  }
  return withContenders(options, backend, useAll, list)
}

function load(
  options: RunOptions,
  contender: Contender,
  bytes: number,
  expected?: readonly string[],
): Promise<LoadResult> {
  const { url, headers, pids } = contender
  const fields = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const request = { url, method: 'POST' as const, headers: { ...headers, ...fields } }
  const call = { ...request, body: callOf(bytes), ...(expected && { expected }) }
  return runLoad(call, { ...loadOf(options), pids })
}

/** Who takes part where it is not the bulk of calls that is measured. */
const COMPARED = ['nginx', 'gateway', 'fast-proxy']

function comparedIn({ only }: RunOptions): string[] {
  return COMPARED.filter(name => !only || only.includes(name))
}

/** Half of what the gateway does, for those that are compared with it. */
function runHalfLoad(options: RunOptions): Promise<Outcome> {
  return withBackend(startConstant(options, 300), backend =>
    withContenders({ ...options, only: comparedIn(options) }, backend, async contenders => {
      const gateway = contenders.find(({ name }) => name === 'gateway')
      if (!gateway) return { table: 'The gateway did not take part.' }
      const { requestsPerSecond } = await load(options, gateway, 1024)
      // Our generator of even load is no faster.
      const rate = Math.min(4000, Math.round(requestsPerSecond / 2))
      const { seconds, rounds } = options
      const results = new Map<Contender, HalfLoad[]>(contenders.map(one => [one, []]))
      for (let round = 1; round <= rounds; round += 1) {
        for (const [contender, measured] of results) {
          const result = await measureHalfLoad(contender, { rate, seconds, body: callOf(1024) })
          measured.push(result)
          options.note(
            `  round ${round}  ${contender.name.padEnd(20)} p99 ${result.p99.toFixed(2)} ms`,
          )
        }
      }
      return { table: renderHalfLoad([...results.values()]) }
    }),
  )
}

async function runEach<Measured>(
  options: RunOptions,
  kind: string,
  measure: (contender: Contender) => Promise<Measured>,
  render: (rows: readonly Measured[]) => string,
): Promise<Outcome> {
  const measured: Measured[] = []
  for (const name of comparedIn(options)) {
    options.note(`  ${name}`)
    await withBackend(startStreaming(kind, options), backend =>
      withContenders({ ...options, only: [name] }, backend, async ([contender]) => {
        if (contender) measured.push(await measure(contender))
      }),
    )
  }
  return { table: render(measured) }
}

async function withBackend<T>(
  starting: Promise<RunningBackend>,
  use: (backend: RunningBackend) => Promise<T>,
): Promise<T> {
  const backend = await starting
  try {
    return await use(backend)
  } finally {
    await backend.stop()
  }
}

async function withContenders<T>(
  { folder, contenderCpu, only, against }: RunOptions,
  backend: RunningBackend,
  use: (contenders: readonly Contender[]) => Promise<T>,
  list = listContenders,
): Promise<T> {
  const contenders: Contender[] = []
  try {
    for (const [name, start] of Object.entries(list(against))) {
      if (only && !only.includes(name)) continue
      contenders.push(await start({ folder, backend: backend.origin, cpu: contenderCpu, against }))
    }
    return await use(contenders)
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}

/** Cheap enough not to be what is measured: nginx, answering a constant. */
async function startConstant(
  { folder, loadCpu }: RunOptions,
  bytes: number,
): Promise<RunningBackend> {
  const port = await findFreePort()
  const block = `server { listen 127.0.0.1:${port}; location / { ${renderAnswer(bytes)} } }`
  const { stop } = await startNginx(folder, loadCpu, port, block)
  return { origin: `http://127.0.0.1:${port}`, stop }
}

async function startStreaming(kind: string, { loadCpu }: RunOptions): Promise<RunningBackend> {
  const port = await findFreePort()
  const script = join(import.meta.dirname, 'backend.js')
  const { stop } = await startBound(loadCpu, port, process.execPath, [script, `${port}`, kind])
  return { origin: `http://127.0.0.1:${port}`, stop }
}
