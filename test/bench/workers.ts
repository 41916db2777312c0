import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { callOf } from './call.ts'
import { median, percentile } from './figures.ts'
import { type BenchGateway, startBenchGateway } from './gateway.ts'
import { cpuMicros, type LoadOptions, runLoad, warmUpSeconds } from './load.ts'
import { bindTo } from './process.ts'

/** What a crew did: a gateway, or several processes that do the same work. */
export type CrewResult = {
  requestsPerSecond: number
  /** Of all its processes, for each call. */
  cpuMicros: number
  /** Part of that which the busiest process spends. */
  busiest: number
}

export type MeasuredCrew = { name: CrewName; result: CrewResult }

export type CrewName = keyof typeof CREWS

/** Each is driven by as many load generators, with as many connections each, as it has processes that serve. */
const CREWS = {
  'one process': { gateways: 1, workers: 1 },
  'two gateways, each with a store of its own': { gateways: 2, workers: 1 },
  'one gateway with two workers': { gateways: 1, workers: 2 },
} as const

type Crew = {
  name: CrewName
  lanes: readonly { url: string; accessToken: string }[]
  pids: readonly number[]
  stop(): Promise<void>
}

export type CrewOptions = {
  instance: string
  /** The one processor of all crews. */
  cpu: string
  load: Omit<LoadOptions, 'pids'>
  rounds: number
  note: (line: string) => void
}

/**
 * What a call costs in two workers, next to two gateways that know nothing of each other: all on one processor, which each of them would have for itself in production.
 *
 * @returns medians of the rounds, but of the processor time the lower quartile, as everywhere
 */
export async function measureCrews(options: CrewOptions): Promise<MeasuredCrew[]> {
  const { load, rounds, note } = options
  const crews: Crew[] = []
  try {
    for (const name of Object.keys(CREWS) as CrewName[]) crews.push(await startCrew(name, options))
    const results = new Map<Crew, CrewResult[]>(crews.map(crew => [crew, []]))
    for (const crew of crews) {
      const seconds = warmUpSeconds(load.seconds) * crew.lanes.length
      await driveCrew(crew, { ...load, seconds })
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const [crew, measured] of results) {
        const result = await driveCrew(crew, load)
        measured.push(result)
        note(`  round ${round}  ${crew.name.padEnd(42)}  ${result.cpuMicros.toFixed(1)} µs`)
      }
    }
    return [...results].map(([{ name }, measured]) => ({ name, result: summarise(measured) }))
  } finally {
    for (const crew of crews) await crew.stop()
  }
}

async function startCrew(name: CrewName, { instance, cpu }: CrewOptions): Promise<Crew> {
  const { gateways, workers } = CREWS[name]
  const started: BenchGateway[] = []
  for (let count = 0; count < gateways; count += 1) {
    started.push(await startBenchGateway({ instance, cpu, workers }))
  }
  const pids = started.flatMap(({ pid }) => [pid, ...(workers > 1 ? childrenOf(pid) : [])])
  for (const pid of pids) bindTo(cpu, pid)
  const lanes = started.flatMap(({ url, accessTokens: [accessToken] }) =>
    Array.from({ length: workers }, () => ({ url, accessToken })),
  )
  return {
    ...{ name, lanes, pids },
    stop: async () => {
      for (const gateway of started) await gateway.stop()
    },
  }
}

async function driveCrew(crew: Crew, load: CrewOptions['load']): Promise<CrewResult> {
  const before = await Promise.all(crew.pids.map(pid => cpuMicros([pid])))
  const rates = await Promise.all(crew.lanes.map((lane, index) => driveLane(lane, index, load)))
  const after = await Promise.all(crew.pids.map(pid => cpuMicros([pid])))
  const spent = after.map((micros, index) => micros - (before[index] ?? 0))
  const requestsPerSecond = sum(rates)
  return {
    requestsPerSecond,
    cpuMicros: sum(spent) / (requestsPerSecond * load.seconds),
    busiest: Math.max(...spent) / sum(spent),
  }
}

/** @returns answers per second */
async function driveLane(
  { url, accessToken }: Crew['lanes'][number],
  index: number,
  load: CrewOptions['load'],
): Promise<number> {
  const folder = join(load.folder, `lane-${index}`)
  await mkdir(folder, { recursive: true })
  const headers = {
    authorization: `Bearer ${accessToken}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const request = { url, method: 'POST' as const, headers, body: callOf(1024) }
  const { requestsPerSecond, failures } = await runLoad(request, { ...load, folder, pids: [] })
  if (failures > 0) throw new Error(`${failures} calls failed`)
  return requestsPerSecond
}

function summarise(rounds: readonly CrewResult[]): CrewResult {
  const of = (figure: keyof CrewResult): number[] => rounds.map(round => round[figure])
  return {
    requestsPerSecond: median(of('requestsPerSecond')),
    cpuMicros: percentile(of('cpuMicros'), 0.25),
    busiest: median(of('busiest')),
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function childrenOf(pid: number): number[] {
  const output = execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
  return output.trim().split('\n').map(Number)
}
