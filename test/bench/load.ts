import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One request that is sent over and over. */
export type LoadRequest = {
  url: string
  method: 'GET' | 'POST'
  headers: Readonly<Record<string, string>>
  body?: string
  /** Patterns of Lua that each answer's body has to match. Only where a failure may come as 200: looking costs the generator time. */
  expected?: readonly string[]
}

export type LoadResult = {
  requestsPerSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Answers other than 2xx or than expected, and connections that failed. */
  failures: number
  /** Processor time of the measured processes, user and system, for each request. */
  cpuMicrosPerRequest: number
}

export type LoadOptions = {
  connections: number
  seconds: number
  /** Processes whose processor time is counted. */
  pids: readonly number[]
  /** Where the load generator's script is written. */
  folder: string
  /** Processor that the load generator is bound to. */
  cpu: string
}

const WARM_UP_SECONDS = 10

/** What each turn begins with, unmeasured: who has rested opens its connections again, and finds that some of its memory and compiled code was put away. */
export const LEAD_SECONDS = 1

/** How long a contender is under load before it is measured: what runs on V8 goes on compiling for some ten seconds. */
export function warmUpSeconds(roundSeconds: number): number {
  return Math.max(roundSeconds, WARM_UP_SECONDS)
}

/** Drives load with wrk, from one thread. */
export async function runLoad(request: LoadRequest, options: LoadOptions): Promise<LoadResult> {
  const script = join(options.folder, 'request.lua')
  await writeFile(script, renderScript(request))
  const before = await cpuMicros(options.pids)
  const output = await run('taskset', [
    ...['-c', options.cpu, 'wrk', '--latency', '-t', '1', '-s', script],
    ...['-c', `${options.connections}`, '-d', `${options.seconds}s`, request.url],
  ])
  const spent = (await cpuMicros(options.pids)) - before
  const total = numberIn(output, /(\d+) requests in/)
  return {
    requestsPerSecond: numberIn(output, /Requests\/sec:\s+([\d.]+)/),
    p50: milliseconds(output, '50%'),
    p99: milliseconds(output, '99%'),
    failures:
      numberIn(output, /Non-2xx or 3xx responses: (\d+)/, 0) +
      numberIn(output, /Unexpected answers: (\d+)/, 0) +
      socketErrors(output),
    cpuMicrosPerRequest: spent / total,
  }
}

function renderScript({ method, headers, body, expected }: LoadRequest): string {
  const fields = Object.entries(headers).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  )
  const lines = [`wrk.method = ${JSON.stringify(method)}`, ...fields]
  if (body !== undefined) lines.push(`wrk.body = ${JSON.stringify(body)}`)
  if (expected) lines.push(renderCheck(expected))
  return lines.join('\n')
}

/** Counts the answers of status 200 that do not match; the others are counted by wrk. */
function renderCheck(expected: readonly string[]): string {
  const matches = expected.map(pattern => `body:find(${JSON.stringify(pattern)})`).join(' and ')
  return `unexpected = 0
function response(status, _, body)
  if status == 200 and not (${matches}) then unexpected = unexpected + 1 end
end
function setup(thread) only = thread end
function done() io.write("Unexpected answers: ", only:get("unexpected"), "\\n") end`
}

function socketErrors(output: string): number {
  const [, connect = 0, read = 0, write = 0, timeout = 0] =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? []
  return Number(connect) + Number(read) + Number(write) + Number(timeout)
}

function milliseconds(output: string, percentile: string): number {
  const [, value, unit] = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)\\b`).exec(output) ?? []
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit ?? ''] ?? Number.NaN
  return Number(value) * factor
}

function numberIn(output: string, pattern: RegExp, fallback?: number): number {
  const text = pattern.exec(output)?.[1]
  if (text !== undefined) return Number(text)
  if (fallback !== undefined) return fallback
  throw new Error(`wrk said something unexpected:\n${output}`)
}

/** User and system time of processes so far, their threads included; 100 ticks a second, as Linux has it everywhere. */
export async function cpuMicros(pids: readonly number[]): Promise<number> {
  const each = pids.map(async pid => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  })
  return (await Promise.all(each)).reduce((sum, micros) => sum + micros, 0)
}

function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code}:\n${output}`)),
    )
  })
}
