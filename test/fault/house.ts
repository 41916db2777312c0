import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import {
  type OidcProvider,
  type OidcProviderOptions,
  startOidcProvider,
} from '../support/oidc-provider.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts'
import { waitFor } from '../support/wait-for.ts'
import { type PlainBackend, startPlainBackend } from './backend.ts'

export type HouseOptions = {
  /** Default 3. */
  replicas?: number
  idp?: Partial<OidcProviderOptions>
  /** Laid over what the configuration says of the upstream. */
  upstream?: Record<string, unknown>
  /** Laid over the whole configuration. */
  config?: Record<string, unknown>
  /** The `redis` section. Default: one server that keeps its data when it is killed. */
  redis?: Record<string, unknown>
  /** Arguments of Node by replica, before the script. */
  nodeArgs?: (replica: number) => readonly string[]
}

/** What distinguishes a start of a replica from the others. */
export type StartOptions = { config?: Record<string, unknown> }

/** Gateway replicas and everything around them, each a real process or listener. */
export type FaultHouse = {
  idp: OidcProvider
  backend: PlainBackend
  /** Missing where the house was given another store. */
  redis: TestRedis | undefined
  /** The public URL: strict round-robin over the replicas that are in. */
  front: RoundRobin
  replicas: Replica[]
  /** The key that all replicas start with, as it is configured. */
  key: string
  close(): Promise<void>
}

/** One place among the replicas; the process in it may end and start again. */
export type Replica = {
  origin: string
  opsOrigin: string
  /** What every process in this place has written, as parsed lines. */
  lines(): LogLine[]
  /** SIGKILL; out of the front. */
  kill(): Promise<void>
  /** SIGTERM; out of the front from the moment on at which it is sent. */
  stop(): Promise<number | null>
  /** Starts a process again, and puts it into the front when it is ready. */
  start(options?: StartOptions): Promise<void>
  signal(name: NodeJS.Signals): void
}

export type LogLine = Record<string, unknown>

const PATH = '/crm/mcp'

export function resourceOf({ front }: { front: { origin: string } }): string {
  return front.origin + PATH
}

/** Where a replica serves the MCP endpoint itself. */
export function endpointOf({ origin }: Pick<Replica, 'origin'>): string {
  return origin + PATH
}

/** Starts it all; nothing is left running where something does not start. */
export async function startHouse(options: HouseOptions = {}): Promise<FaultHouse> {
  const ends: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    await Promise.all(ends.splice(0).map(end => end()))
  }
  try {
    return { ...(await start(options, ends)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  options: HouseOptions,
  ends: (() => Promise<unknown>)[],
): Promise<Omit<FaultHouse, 'close'>> {
  const count = options.replicas ?? 3
  const ports = await findFreePorts(count * 2)
  const front = await startRoundRobin(ports.slice(0, count).map(port => `http://127.0.0.1:${port}`))
  ends.push(front.close)
  const redis = options.redis ? undefined : await startRedis(['--appendonly', 'yes'])
  if (redis) ends.push(redis.stop)
  const idp = await startOidcProvider({
    redirectUris: [`${front.origin}/callback`],
    accessTokenTtlSeconds: 4,
    ...options.idp,
  })
  ends.push(idp.close)
  const backend = await startPlainBackend()
  ends.push(backend.close)
  const key = mintKey()
  const { issuer, clientId, clientSecret } = idp
  const config = {
    publicUrl: front.origin,
    keys: [key],
    redis: options.redis ?? { url: redis?.url },
    upstream: { provider: 'oidc', issuer, clientId, clientSecret, ...options.upstream },
    backends: [{ path: PATH, instances: [backend.url] }],
    log: { level: 'debug' },
    // Everybody comes from one address here.
    rateLimits: { register: 'off', authorize: 'off', token: 'off' },
    ...options.config,
  }
  const replicas = Array.from({ length: count }, (_, index) => {
    const [port, opsPort] = [ports[index], ports[count + index]]
    const listeners = { listen: atLoopback(port), ops: atLoopback(opsPort) }
    const nodeArgs = options.nodeArgs?.(index) ?? []
    return createReplica(front, index, extra =>
      startGateway({ config: { ...config, ...extra, ...listeners }, nodeArgs }),
    )
  })
  ends.push(() => Promise.all(replicas.map(replica => replica.kill())))
  await Promise.all(replicas.map(replica => replica.start()))
  return { idp, backend, redis, front, replicas, key }
}

function createReplica(
  front: RoundRobin,
  index: number,
  startProcess: (extra: Record<string, unknown>) => Promise<GatewayProcess>,
): Replica & { origin: string } {
  const past: string[] = []
  let current: GatewayProcess | undefined
  const leave = (): GatewayProcess | undefined => {
    front.remove(index)
    return current
  }
  return {
    get origin() {
      return current?.origin ?? ''
    },
    get opsOrigin() {
      return current?.opsOrigin ?? ''
    },
    lines: () => [...past, current?.logs() ?? ''].flatMap(parseLines),
    kill: async () => void (await leave()?.kill()),
    stop: async () => (await leave()?.stop()) ?? null,
    start: async ({ config = {} } = {}) => {
      if (current) past.push(current.logs())
      current = await startProcess(config)
      front.restore(index)
    },
    signal: name => void (current && process.kill(current.pid, name)),
  }
}

function atLoopback(port: number | undefined) {
  return { host: '127.0.0.1', port }
}

/** Lines that are not JSON are no log lines: a warning of Node, a crash. They are kept as `text`. */
function parseLines(output: string): LogLine[] {
  return output
    .split('\n')
    .filter(line => line !== '')
    .map(line => (line.startsWith('{') ? JSON.parse(line) : { text: line }))
}

/** All lines of all replicas. */
export function allLines({ replicas }: FaultHouse): LogLine[] {
  return replicas.flatMap(replica => replica.lines())
}

/** What the IdP was asked to refresh, by its own counting, since this was called. */
export function countRefreshes({ idp }: Pick<FaultHouse, 'idp'>) {
  const before = structuredClone(idp.counts.refresh)
  return () => ({
    requests: idp.counts.refresh.requests - before.requests,
    results: Object.fromEntries(
      Object.entries(idp.counts.refresh.results)
        .map(([result, count]) => [result, count - (before.results[result] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    ),
  })
}

/** Waits for a moment in time, such as the end of a token. */
export async function reach(epochSeconds: number): Promise<void> {
  const leftMs = epochSeconds * 1000 - Date.now()
  await waitFor(() => Date.now() >= epochSeconds * 1000, {
    what: `the time ${epochSeconds}`,
    timeoutMs: Math.max(leftMs, 0) + 2000,
  })
}
