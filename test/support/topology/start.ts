/** Starts what a compose file describes, without an engine: each service a process of this computer, from the same commands and the same files. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintKey } from '../../../src/domain/key-ring.ts'
import { findFreePorts } from '../free-port.ts'
import { type RunningProcess, runProcess } from '../running-process.ts'
import { waitFor } from '../wait-for.ts'
import { type ComposeService, readCompose } from './compose.ts'
import { type Ports, rewrite } from './rewrite.ts'

export type RunningService = {
  name: string
  kind: string
  /** From a port that it exposes to where that is reached. */
  origin(port: number): string
  /** What its processes have written. */
  logs(): string
  /** As `docker compose stop` does it. Resolves with the exit code. */
  stop(): Promise<number | null>
  /** Again, after a stop; resolves when it answers. */
  start(): Promise<void>
}

export type Topology = { services: Map<string, RunningService>; close(): Promise<void> }

type Prepared = { command: readonly [string, ...string[]]; health: string | undefined }

const ROOT = join(import.meta.dirname, '../../..')
const ANSWERS_WITHIN_MS = 30_000

/** @throws Error with a service's output where it does not come up; nothing is left running then */
export async function startTopology(file: string): Promise<Topology> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-compose-'))
  const running = new Map<string, RunningService>()
  const close = async (): Promise<void> => {
    await Promise.all([...running.values()].map(service => service.stop()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const services = readCompose(file)
    const ports = await assignPorts(services)
    const secrets = new Map<string, string>()
    for (const wave of wavesOf(services)) {
      await Promise.all(
        wave.map(async service => {
          const prepared = await prepare(service, services, { folder, ports, secrets })
          const started = createService(service, prepared, ports)
          running.set(service.name, started)
          await started.start()
        }),
      )
    }
    return { services: running, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function assignPorts(services: readonly ComposeService[]): Promise<Ports> {
  const free = await findFreePorts(services.flatMap(({ exposed }) => exposed).length)
  return new Map(
    services.map(({ name, exposed }) => [
      name,
      new Map(exposed.map(port => [port, free.pop() ?? 0])),
    ]),
  )
}

/** Services whose dependencies have all been started, wave by wave. */
function wavesOf(services: readonly ComposeService[]): ComposeService[][] {
  const waves: ComposeService[][] = []
  const done = new Set<string>()
  while (done.size < services.length) {
    const wave = services.filter(
      ({ name, dependsOn }) => !done.has(name) && dependsOn.every(before => done.has(before)),
    )
    if (wave.length === 0) throw new Error('the services depend on each other in a circle')
    waves.push(wave)
    for (const { name } of wave) done.add(name)
  }
  return waves
}

async function prepare(
  service: ComposeService,
  services: readonly ComposeService[],
  { folder, ports, secrets }: { folder: string; ports: Ports; secrets: Map<string, string> },
): Promise<Prepared> {
  const home = join(folder, service.name)
  await mkdir(home)
  const localPaths = [...service.mounts.keys()].map(
    (target, index) => [target, join(home, `${index}`)] as const,
  )
  const localise = (text: string): string =>
    localPaths.reduce(
      (result, [target, path]) => result.replaceAll(target, path),
      rewrite(text, service, services, ports),
    )
  for (const [target, path] of localPaths) {
    const mount = service.mounts.get(target)
    if (mount && 'file' in mount)
      await writeFile(path, localise(await readFile(mount.file, 'utf8')))
    else if (mount) await writeFile(path, secretOf(mount.secret, secrets))
  }
  return commandOf(service, localise, home, [...(ports.get(service.name)?.values() ?? [])])
}

/** As `openssl rand -base64 32` writes one; the same for all services. */
function secretOf(name: string, secrets: Map<string, string>): string {
  const secret = secrets.get(name) ?? mintKey()
  secrets.set(name, secret)
  return `${secret}\n`
}

/** What the images do with a command, on this computer. @param ports in the order in which they are exposed */
function commandOf(
  { kind, command }: ComposeService,
  localise: (text: string) => string,
  home: string,
  [port, opsPort]: readonly number[],
): Prepared {
  const args = command.map(localise)
  if (kind === 'build') {
    const config = localise('/etc/mcp-auth-gateway/gateway.config.yaml')
    const start = ['src/main.ts', 'start', '--config', config] as const
    return { command: [process.execPath, ...start], health: `http://127.0.0.1:${opsPort}/readyz` }
  }
  if (kind === 'build:development') {
    return { command: [process.execPath, ...args], health: `http://127.0.0.1:${port}/` }
  }
  if (kind === 'haproxy') {
    const file = localise('/usr/local/etc/haproxy/haproxy.cfg')
    return { command: ['haproxy', '-db', '-f', file], health: `http://127.0.0.1:${port}/` }
  }
  if (kind === 'redis') {
    const here = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', home]
    return { command: [args[0] ?? '', ...args.slice(1), ...here], health: undefined }
  }
  throw new Error(`nothing here stands for the image ${kind}`)
}

function createService(
  { name, kind, stopGraceMs }: ComposeService,
  { command, health }: Prepared,
  ports: Ports,
): RunningService {
  let past = ''
  let current: RunningProcess | undefined
  return {
    ...{ name, kind },
    origin: port => `http://127.0.0.1:${ports.get(name)?.get(port)}`,
    logs: () => past + (current?.logs() ?? ''),
    stop: async () => (await current?.stop(stopGraceMs)) ?? null,
    start: async () => {
      past += current?.logs() ?? ''
      const started = runProcess(command, { cwd: ROOT, env: { PATH: process.env.PATH } })
      current = started
      await waitFor(() => started.hasExited() || isAnswering(health), {
        what: `${name} to answer`,
        timeoutMs: ANSWERS_WITHIN_MS,
        intervalMs: 50,
      }).catch(cause => {
        throw new Error(`${name}:\n${started.logs()}`, { cause })
      })
      if (started.hasExited()) throw new Error(`${name} has ended:\n${started.logs()}`)
    },
  }
}

/** Whoever speaks no HTTP is waited for by those who need it. */
async function isAnswering(health: string | undefined): Promise<boolean> {
  if (health === undefined) return true
  const { status } = await fetch(health)
  return status < 500
}
