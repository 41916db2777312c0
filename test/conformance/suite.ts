import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** What a run of the suite has found. */
export type SuiteRun = {
  /** Scenarios that ran, in alphabetical order. */
  scenarios: string[]
  /** Scenarios in which at least one check failed. */
  failed: string[]
  /** Each failed check: scenario, check, what the suite says of it. */
  details: string[]
  /** How many checks succeeded. */
  passed: number
  output: string
  exitCode: number
}

type Check = { id: string; status: string; errorMessage?: string }

const CLI = join(
  dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')),
  'dist/index.js',
)

/**
 * Runs the official suite as a process of its own.
 *
 * @param args of its command line
 * @param onOutput learns of everything that it has written so far
 */
export async function runSuite(
  args: readonly string[],
  options: { env?: Record<string, string>; onOutput?: (output: string) => void } = {},
): Promise<SuiteRun> {
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  const child = spawn(process.execPath, [CLI, ...args, '--output-dir', folder], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk.toString()
    options.onOutput?.(output)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const [exitCode] = (await once(child, 'close')) as [number]
  try {
    return { ...(await readResults(folder)), output, exitCode }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function readResults(folder: string) {
  const files = await readdir(folder, { recursive: true })
  const results = await Promise.all(
    files
      .filter(file => file.endsWith('checks.json'))
      .map(async file => ({
        scenario: scenarioOf(dirname(file)),
        checks: JSON.parse(await readFile(join(folder, file), 'utf8')) as Check[],
      })),
  )
  const failures = results.flatMap(({ scenario, checks }) =>
    checks.filter(({ status }) => status === 'FAILURE').map(check => ({ scenario, ...check })),
  )
  return {
    scenarios: results.map(({ scenario }) => scenario).sort(),
    failed: [...new Set(failures.map(({ scenario }) => scenario))].sort(),
    details: failures.map(
      ({ scenario, id, errorMessage }) => `${scenario}: ${id}: ${errorMessage}`,
    ),
    passed: results.flatMap(({ checks }) => checks).filter(({ status }) => status === 'SUCCESS')
      .length,
  }
}

/** A folder is named after the role, the scenario and the time. */
function scenarioOf(folder: string): string {
  return folder
    .replace(/^(server|client|authorization-server)-/, '')
    .replace(/-\d{4}-\d\d-\d\dT.*$/, '')
}
