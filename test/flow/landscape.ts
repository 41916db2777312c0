import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startLegacyBackend } from '../support/legacy-backend.ts'
import { startModernBackend } from '../support/modern-backend.ts'
import {
  type OidcProvider,
  type OidcProviderOptions,
  startOidcProvider,
} from '../support/oidc-provider.ts'
import type { RecordingBackend } from '../support/recording-backend.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts'
import { createSecretsLog, type SecretsLog } from '../support/secrets-log.ts'
import { waitFor } from '../support/wait-for.ts'

export type LandscapeOptions = {
  /** Default 3. */
  replicas?: number
  idp?: Partial<OidcProviderOptions>
  /** Laid over the configuration of every replica. */
  config?: Record<string, unknown>
  /** Laid over the configuration of every backend. */
  backend?: Record<string, unknown>
  /** What every replica sees besides `PATH`. */
  env?: Record<string, string>
}

/** Everything that a flow passes through, each a process or a listener of its own. */
export type Landscape = {
  redis: TestRedis
  idp: OidcProvider
  /** Two instances each. */
  backends: Record<Era, RecordingBackend[]>
  /** As they run now, in the order that the front counts them in. */
  replicas: GatewayProcess[]
  /** The public URL: strict round-robin over the replicas. */
  front: RoundRobin
  /** The key that the replicas share, as it is configured. */
  key: string
  secrets: SecretsLog
  /** SIGKILL, and out of the front, as a load balancer does when it notices. */
  kill(replica: number): Promise<void>
  /** Kills all replicas and starts new ones: the same configuration, nothing else survives. */
  restartReplicas(): Promise<void>
  /** Starts Redis again after `redis.kill()`, empty, and waits until every replica has found it. */
  restoreRedis(): Promise<void>
  /** What all replicas have ever written. */
  logs(): string
  close(): Promise<void>
}

export type Era = 'legacy' | 'modern'

/** The resource: what clients are given as the URL of the MCP endpoint. */
export function mcpUrl({ front }: Landscape, era: Era = 'legacy'): string {
  return `${front.origin}/${era}/mcp`
}

/** Starts it all. Nothing is left running where something does not start. */
export async function startLandscape(options: LandscapeOptions = {}): Promise<Landscape> {
  const parts: (() => Promise<unknown>)[] = []
  const close = async () => void (await Promise.all(parts.map(stop => stop())))
  try {
    return await start(options, parts, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  options: LandscapeOptions,
  parts: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Landscape> {
  const count = options.replicas ?? 3
  const secrets = createSecretsLog()
  const key = mintKey()
  const ports = await findFreePorts(count * 2)
  const listeners = Array.from({ length: count }, (_, index) => ({
    listen: { host: '127.0.0.1', port: ports[index * 2]! },
    ops: { host: '127.0.0.1', port: ports[index * 2 + 1]! },
  }))
  const front = await startRoundRobin(listeners.map(({ listen }) => originOf(listen)))
  parts.push(front.close)
  const redis = await startRedis()
  parts.push(redis.stop)
  const redirectUris = [`${front.origin}/callback`]
  const idpOptions = { accessTokenTtlSeconds: 600, ...options.idp }
  const idp = await startOidcProvider({ redirectUris, secrets, ...idpOptions })
  parts.push(idp.close)
  const backends = { legacy: await startBackends('legacy'), modern: await startBackends('modern') }
  parts.push(...Object.values(backends).flatMap(list => list.map(backend => backend.close)))
  const described = describe(front, redis, idp, backends, key)
  const config = {
    ...described,
    backends: described.backends.map(backend => ({ ...backend, ...options.backend })),
    ...options.config,
  }
  const startReplica = async (listener: (typeof listeners)[number]) => {
    const replica = await startGateway({
      config: { ...config, ...listener },
      ...(options.env && { env: options.env }),
    })
    parts.push(replica.kill)
    return replica
  }
  const startAll = () => allOrNothing(listeners.map(startReplica))
  const replicas = await startAll()
  const past: GatewayProcess[] = []
  return {
    ...{ redis, idp, backends, replicas, front, key, secrets, close },
    kill: async replica => {
      await replicas[replica]?.kill()
      front.remove(replica)
    },
    restartReplicas: async () => {
      await Promise.all(replicas.map(replica => replica.kill()))
      past.push(...replicas)
      replicas.splice(0, count, ...(await startAll()))
      for (const index of replicas.keys()) front.restore(index)
    },
    restoreRedis: async () => {
      await redis.restart()
      await waitFor(() => reachStore(replicas), {
        what: 'all replicas to reach Redis again',
        timeoutMs: 15_000,
      })
    },
    logs: () => [...past, ...replicas].map(replica => replica.logs()).join(''),
  }
}

/** Like `Promise.all`, but waits for all of them before it fails, so that what has started is known and can be stopped. */
async function allOrNothing<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

async function reachStore(replicas: readonly GatewayProcess[]): Promise<boolean> {
  const answers = await Promise.all(
    replicas.map(async ({ opsOrigin }) => (await fetch(`${opsOrigin}/readyz`)).json()),
  )
  return answers.every(answer => (answer as { store: string }).store === 'reachable')
}

function describe(
  { origin }: RoundRobin,
  { url }: TestRedis,
  { issuer, clientId, clientSecret }: OidcProvider,
  backends: Landscape['backends'],
  key: string,
) {
  return {
    publicUrl: origin,
    keys: [key],
    redis: { url },
    upstream: { provider: 'oidc', issuer, clientId, clientSecret },
    backends: Object.entries(backends).map(([era, instances]) => ({
      path: `/${era}/mcp`,
      instances: instances.map(instance => instance.url),
    })),
    log: { level: 'trace' },
    // Everybody comes from one address here.
    rateLimits: { register: 'off', authorize: 'off', token: 'off' },
  }
}

function startBackends(era: Era): Promise<RecordingBackend[]> {
  const startBackend = era === 'legacy' ? startLegacyBackend : startModernBackend
  return Promise.all([1, 2].map(number => startBackend({ instance: `${era}-${number}` })))
}

function originOf({ host, port }: { host: string; port: number }): string {
  return `http://${host}:${port}`
}
