import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { SCRIPTS } from './scripts.ts'

export type HostPort = { host: string; port: number }

/** Where Redis is: one server (`redis://` or `rediss://`), a master that sentinels know, or a cluster. */
export type RedisServers =
  | { url: string }
  | {
      sentinels: readonly HostPort[]
      /** The master's name at the sentinels. */
      name: string
      sentinelUsername?: string
      sentinelPassword?: string
    }
  | { cluster: readonly HostPort[] }

export type RedisAccess = {
  username?: string
  password?: string
  /** Not with a cluster, which has only database 0. */
  db?: number
  /** TLS for sentinel and cluster; a single server asks for it by `rediss://`, and this refines it. */
  tls?: ConnectionOptions
}

export type RedisClient = Redis | Cluster

/** What the client says when it has not even sent a command. */
export const UNSENT = /enableOfflineQueue options is false/

const CONNECT_TIMEOUT_MS = 2_000
const MAX_RETRY_DELAY_MS = 2_000

/**
 * A client that never keeps a command for later: what cannot be sent now, or was not answered when the connection broke, fails at once, and whoever sent it decides
 * whether to repeat it. A command that waits in a queue of the client would run after its caller has given up.
 */
export function createClient(
  servers: RedisServers,
  access: RedisAccess,
  deadlineMs: number,
): RedisClient {
  const common = commonOptions(access, deadlineMs)
  if ('cluster' in servers) return createCluster(servers.cluster, access, common)
  const options = {
    ...common,
    ...(access.db !== undefined && { db: access.db }),
    scripts: SCRIPTS,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    retryStrategy: retryDelayMs,
  }
  if ('url' in servers) return insistOnDatabase(new Redis(servers.url, options))
  const { sentinels, name, ...sentinelAccess } = servers
  const client = new Redis({
    ...options,
    ...sentinelAccess,
    sentinels: [...sentinels],
    name,
    sentinelCommandTimeout: deadlineMs,
    sentinelRetryStrategy: retryDelayMs,
    ...(access.tls && { enableTLSForSentinelMode: true, sentinelTLS: access.tls }),
    // A master that was demoted is left; the command was refused, so it is safe to repeat.
    reconnectOnError: error => error.message.startsWith('READONLY'),
  })
  return insistOnDatabase(client)
}

/** One more connection as `client` makes them. */
export function openBeside(client: Redis, options: Partial<RedisOptions>): Redis {
  return insistOnDatabase(client.duplicate({ enableAutoPipelining: false, ...options }))
}

/**
 * Where the server refuses the database, the client would say so and go on in database 0. Here such a connection ends before it is ready, and is made anew like any
 * other that was lost: nothing is read or written where somebody else's keys may be.
 */
function insistOnDatabase(client: Redis): Redis {
  client.on('error', (error: unknown) => {
    if (isRefusedDatabase(error)) client.disconnect(true)
  })
  return client
}

function isRefusedDatabase(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'ReplyError' || !('command' in error))
    return false
  const { command } = error
  return (
    typeof command === 'object' &&
    command !== null &&
    'name' in command &&
    command.name === 'select'
  )
}

function createCluster(
  nodes: readonly HostPort[],
  access: RedisAccess,
  common: ReturnType<typeof commonOptions>,
): Cluster {
  return new Cluster([...nodes], {
    scripts: SCRIPTS,
    redisOptions: common,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryDelayMs,
    slotsRefreshInterval: 5_000,
    // Zero: the client would repeat a command that may have been applied, or one whose caller has given up.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Certificates are for host names; looking them up first would lose the name.
    ...(access.tls && { dnsLookup: (address, callback) => callback(null, address) }),
  })
}

function commonOptions(access: RedisAccess, deadlineMs: number) {
  const { db: _onlySingle, ...login } = access
  return {
    ...login,
    connectionName: 'mcp-auth-gateway',
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A server that is silent for longer is taken for gone, although its socket says nothing.
    socketTimeout: 2 * deadlineMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
  }
}

/** Doubles from 50 ms to a cap, less up to half by chance, so that replicas do not come back all at once. */
function retryDelayMs(attempt: number): number {
  const delay = Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RETRY_DELAY_MS)
  return Math.round(delay * (0.5 + Math.random() / 2))
}
