import { execFileSync } from 'node:child_process'
import type { Contender } from './contenders.ts'
import { median, percentile } from './figures.ts'
import { startBenchGateway } from './gateway.ts'
import { cpuMicros, type LoadResult } from './load.ts'
import { bindTo } from './process.ts'

/** The gateway in so many workers, next to itself in one process. */
export type Crew = {
  workers: number
  requestsPerSecond: number
  /** Of all its processes, for each call. */
  cpuMicros: number
  /** Part of that which the busiest process spends. */
  busiest: number
}

export type CrewContender = Contender & { workers: number }

/** All processes are bound to the one processor. */
export async function startCrew(
  workers: number,
  options: { instance: string; cpu: string },
): Promise<CrewContender> {
  const { url, accessTokens, pid, stop } = await startBenchGateway({ ...options, workers })
  const pids = [pid, ...(workers > 1 ? childrenOf(pid) : [])]
  for (const one of pids) bindTo(options.cpu, one)
  const headers = { authorization: `Bearer ${accessTokens[0]}` }
  const does = 'access token, grant, upstream token; state in Redis'
  return { name: `${workers}`, does, url, headers, pids, stop, workers }
}

/** Drives one round of load, and sees which process does how much of the work. */
export async function measureCrew(
  { workers, pids }: CrewContender,
  load: () => Promise<LoadResult>,
): Promise<Crew> {
  const before = await Promise.all(pids.map(pid => cpuMicros([pid])))
  const { requestsPerSecond, cpuMicrosPerRequest } = await load()
  const after = await Promise.all(pids.map(pid => cpuMicros([pid])))
  const spent = after.map((micros, index) => micros - (before[index] ?? 0))
  const busiest = Math.max(...spent) / spent.reduce((sum, micros) => sum + micros, 0)
  return { workers, requestsPerSecond, cpuMicros: cpuMicrosPerRequest, busiest }
}

/** @returns medians of the rounds, but of the processor time the lower quartile, as everywhere */
export function summariseCrew(rounds: readonly Crew[]): Crew {
  const of = (figure: keyof Crew): number => median(rounds.map(round => round[figure]))
  const [workers, requestsPerSecond] = [of('workers'), of('requestsPerSecond')]
  const cpuMicros = percentile(
    rounds.map(round => round.cpuMicros),
    0.25,
  )
  return { workers, requestsPerSecond, cpuMicros, busiest: of('busiest') }
}

function childrenOf(pid: number): number[] {
  const output = execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
  return output.trim().split('\n').map(Number)
}
