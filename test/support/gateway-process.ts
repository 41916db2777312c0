import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { findFreePorts } from './free-port.ts'
import { waitFor } from './wait-for.ts'

const ROOT = join(import.meta.dirname, '../..')
const READY_WITHIN_MS = 20_000

export type GatewayOptions = {
  /** `gateway.config.yaml`, as text or as what it says. */
  config: string | Record<string, unknown>
  /** All that the process sees besides `PATH`. */
  env?: Record<string, string>
  nodeArgs?: readonly string[]
  /** How many files and connections the process may have open. Default: as many as this one. */
  descriptors?: number
  /** Another checkout than this one. */
  root?: string
  /** What is run there. Default `src/main.ts`. */
  script?: string
  /** What is waited for: that it takes requests, or only that it runs. Default `ready`. */
  until?: 'ready' | 'alive'
}

export type GatewayProcess = {
  /** Of the public listener; behind a load balancer this is not the public URL. */
  origin: string
  opsOrigin: string
  pid: number
  /** Everything that it has written to stdout and stderr. */
  logs(): string
  /** From now on nobody reads what it writes to stdout. */
  stopReading(): void
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
  /** SIGTERM. Resolves with the exit code; `null` where a signal ended it. */
  stop(): Promise<number | null>
  /** How it ended, once it has. */
  exited: Promise<number | null>
}

/**
 * Starts the gateway as a process of its own and waits until it says that it is ready, or that it is alive.
 *
 * @throws Error with the process's output where it ends or does not say so in time; it is not left running then
 */
export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const { config, ...rest } = options
  const text = typeof config === 'string' ? config : stringify(config)
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  const file = join(folder, 'gateway.config.yaml')
  await writeFile(file, text)
  const remove = () => rm(folder, { recursive: true })
  try {
    const gateway = await startGatewayFrom(file, rest)
    return { ...gateway, exited: gateway.exited.finally(remove) }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The same with a configuration that stands somewhere, and can be changed while it runs. */
export async function startGatewayFrom(
  file: string,
  options: Omit<GatewayOptions, 'config'> = {},
): Promise<GatewayProcess> {
  const { env = {}, nodeArgs = [], root = ROOT, until = 'ready', descriptors } = options
  const script = options.script ?? 'src/main.ts'
  const args = [process.execPath, ...nodeArgs, script, 'start', '--config', file]
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors} && `
  const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gateway = watch(child, originsOf(await readFile(file, 'utf8')))
  try {
    await Promise.race([answer(gateway.opsOrigin, until), refuseToEnd(gateway)])
  } catch (cause) {
    await gateway.kill()
    throw new Error(`the gateway did not become ${until}:\n${gateway.logs()}`, { cause })
  }
  return gateway
}

/** A gateway that is expected not to start: resolves with its exit code and output once it has ended. */
export async function runGateway(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { exited, logs } = watch(child, { origin: '', opsOrigin: '' })
  return { code: await exited, output: logs() }
}

/**
 * Starts replicas of one gateway: the same configuration, but for the ports that they listen on.
 *
 * @param config without `listen` and `ops`
 */
export async function startGateways(
  count: number,
  config: Record<string, unknown>,
  options: Omit<GatewayOptions, 'config'> = {},
): Promise<GatewayProcess[]> {
  const ports = await findFreePorts(count * 2)
  const starting = Array.from({ length: count }, (_, index) => {
    const [port, opsPort] = ports.slice(index * 2)
    const listeners = { listen: atLoopback(port!), ops: atLoopback(opsPort!) }
    return startGateway({ ...options, config: { ...config, ...listeners } })
  })
  const settled = await Promise.allSettled(starting)
  const started = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = settled.find(one => one.status === 'rejected')
  if (!failed) return started
  await Promise.all(started.map(gateway => gateway.kill()))
  throw failed.reason
}

function atLoopback(port: number) {
  return { host: '127.0.0.1', port }
}

function watch(
  child: ChildProcess,
  origins: { origin: string; opsOrigin: string },
): GatewayProcess {
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  const killNow = () => void child.kill('SIGKILL')
  process.once('exit', killNow)
  const exited = once(child, 'close').then(([code]) => {
    process.removeListener('exit', killNow)
    return code as number | null
  })
  return {
    ...origins,
    pid: child.pid ?? 0,
    exited,
    logs: () => output,
    stopReading: () => void child.stdout?.destroy(),
    kill: async () => {
      killNow()
      await exited
    },
    stop: () => {
      child.kill('SIGTERM')
      return exited
    },
  }
}

async function answer(opsOrigin: string, until: 'ready' | 'alive'): Promise<void> {
  const url = `${opsOrigin}/${until === 'ready' ? 'readyz' : 'livez'}`
  await waitFor(async () => (await fetch(url)).status === 200, {
    what: `${url} to answer 200`,
    timeoutMs: READY_WITHIN_MS,
    intervalMs: 50,
  })
}

async function refuseToEnd({ exited }: GatewayProcess): Promise<never> {
  throw new Error(`it ended with ${await exited}`)
}

function originsOf(text: string): { origin: string; opsOrigin: string } {
  const { listen, ops } = parse(text) as Record<string, { port?: number; tls?: object } | undefined>
  return {
    origin: `${listen?.tls ? 'https' : 'http'}://127.0.0.1:${listen?.port ?? 8080}`,
    opsOrigin: `http://127.0.0.1:${ops?.port ?? 9090}`,
  }
}
