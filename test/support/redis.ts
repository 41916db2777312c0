/**
 * Real Redis processes for tests: on free loopback ports, without persistence, in a folder that goes with them.
 *
 * Each server has a guard: a shell that waits for its standard input to end and kills the server then. It ends when the test asks, and also when the test process
 * dies in whatever way, so no server is left behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findFreePort } from './free-port.ts'
import { waitFor } from './wait-for.ts'

export type HostPort = { host: string; port: number }
export type StoredKey = { key: string; type: string; ttlMs: number }

/** What a test can do with Redis, whether it is one server or several. */
export type RedisProcesses = {
  /** Ends the processes for good and removes their files. */
  stop(): Promise<void>
  /** Kills the processes. */
  kill(): Promise<void>
  /** Starts them again on the same ports, empty. */
  restart(): Promise<void>
  /** No client is answered for so long. */
  pause(ms: number): Promise<void>
  /** Every key with its type and every value, as text: what somebody with access to Redis would read. */
  dump(): Promise<string>
  keys(): Promise<StoredKey[]>
}

export type TestRedis = RedisProcesses & { url: string; port: number }
export type TestRedisCluster = RedisProcesses & {
  nodes: HostPort[]
  /** Kills the first master for good; where it has a replica, that takes its place after about three seconds. */
  killMaster(): Promise<void>
}
export type TestRedisSentinel = RedisProcesses & {
  sentinels: HostPort[]
  name: string
  /** Kills the server that is the master now, for good. */
  killMaster(): Promise<void>
  /** Stops the first replica for so long: it hears nothing and confirms nothing, and its connections stay. */
  pauseReplica(ms: number): Promise<void>
}

const HOST = '127.0.0.1'
const GUARD = '"$@" >/dev/null & server=$!; read -r line; kill -9 "$server"; wait "$server"'

export async function startRedis(args: readonly string[] = []): Promise<TestRedis> {
  const server = await startServer(args)
  return { ...combine([server]), url: `redis://${HOST}:${server.port}`, port: server.port }
}

/** Three masters that share the slots, each with a replica or without. */
export async function startRedisCluster({ hasReplicas = false } = {}): Promise<TestRedisCluster> {
  const start = async (): Promise<Server> =>
    startServer([
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'],
      ...['--cluster-port', `${await findFreePort()}`],
    ])
  const masters = await Promise.all([0, 1, 2].map(start))
  const replicas = await Promise.all(hasReplicas ? masters.map(start) : [])
  const nodes = [...masters, ...replicas]
  await formCluster(masters, replicas)
  const all = combine(nodes, masters)
  return {
    ...all,
    nodes: nodes.map(({ port }) => ({ host: HOST, port })),
    killMaster: async () => void (await masters[0]?.kill()),
    async restart() {
      await all.restart()
      await until('the cluster to be whole again', () => isClusterWhole(nodes))
    },
  }
}

export function hasRedisSentinel(): boolean {
  return spawnSync('redis-sentinel', ['--version']).status === 0
}

/** A master, a replica and three sentinels of which two must agree. */
export async function startRedisSentinel(): Promise<TestRedisSentinel> {
  const name = 'gateway'
  const master = await startServer([])
  const replica = await startServer([
    '--replicaof',
    `${HOST} ${master.port}`,
    '--enable-debug-command',
    'yes',
  ])
  await until('the replica to follow', () =>
    withClient(master.port, async client => (await client.info()).includes('state=online')),
  )
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(name, master.port)))
  await until('the sentinels to know each other and the replica', async () => {
    const states = await Promise.all(sentinels.map(({ port }) => readSentinel(port, name)))
    return states.every(state => state === 'slaves=1,sentinels=3')
  })
  const servers = [master, replica]
  return {
    ...combine([...sentinels, ...servers], servers),
    name,
    sentinels: sentinels.map(({ port }) => ({ host: HOST, port })),
    async killMaster() {
      const [, port] = await withClient(sentinels[0]!.port, client =>
        client.call('SENTINEL', 'get-master-addr-by-name', name),
      ).then(address => address as [string, string])
      await servers.find(server => server.port === Number(port))?.kill()
    },
    async pauseReplica(ms) {
      // It sleeps as a whole, so the answer comes only afterwards; nobody waits for that.
      const client = new Redis({ port: replica.port, host: HOST, retryStrategy: null })
      client.on('error', () => {})
      await client.ping()
      void client
        .call('DEBUG', 'SLEEP', `${ms / 1000}`)
        .catch(() => {})
        .finally(() => client.disconnect())
    },
  }
}

/** As long as a busy machine may need to start or to form a cluster. */
function until(what: string, condition: () => Promise<boolean>): Promise<boolean> {
  return waitFor(condition, { what, timeoutMs: 15_000, intervalMs: 20 })
}

type Server = { port: number; kill(): Promise<void>; start(): Promise<void>; remove(): void }

async function startServer(args: readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-redis-'))
  const port = await findFreePort()
  const server = createGuarded(folder, port, [
    'redis-server',
    ...['--port', `${port}`, '--bind', HOST, '--dir', folder, '--logfile', `${folder}/log`],
    ...['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
    ...args,
  ])
  await server.start()
  return server
}

async function startSentinel(name: string, masterPort: number): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-sentinel-'))
  const port = await findFreePort()
  const settings = [
    ...[`port ${port}`, `bind ${HOST}`, `dir ${folder}`, `logfile ${folder}/log`],
    `sentinel monitor ${name} ${HOST} ${masterPort} 2`,
    `sentinel down-after-milliseconds ${name} 500`,
    `sentinel failover-timeout ${name} 2000`,
  ]
  await writeFile(join(folder, 'sentinel.conf'), `${settings.join('\n')}\n`)
  const server = createGuarded(folder, port, ['redis-sentinel', join(folder, 'sentinel.conf')])
  await server.start()
  return server
}

function createGuarded(folder: string, port: number, command: readonly string[]): Server {
  let guard: ChildProcess | undefined
  return {
    port,
    async start() {
      guard = spawn('sh', ['-c', GUARD, 'sh', ...command], { stdio: ['pipe', 'ignore', 'ignore'] })
      await until(`${command[0]} on port ${port}`, () => isAnswering(port)).catch(error => {
        throw new Error(readLog(folder), { cause: error })
      })
    },
    async kill() {
      if (!guard || guard.exitCode !== null) return
      const ended = new Promise(resolve => guard?.once('exit', resolve))
      guard.stdin?.end()
      await ended
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function readLog(folder: string): string {
  try {
    return `did not start: ${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`
  } catch {
    return 'did not start, and wrote no log: is redis-server installed?'
  }
}

/** @param data those among the servers that hold keys */
function combine(servers: readonly Server[], data: readonly Server[] = servers): RedisProcesses {
  const each = <T>(act: (server: Server) => Promise<T>): Promise<T[]> =>
    Promise.all(servers.map(act))
  const kill = async (): Promise<void> => void (await each(server => server.kill()))
  const read = <T>(act: (client: Redis) => Promise<T[]>): Promise<T[]> =>
    Promise.all(data.map(({ port }) => withClient(port, act))).then(lists => lists.flat())
  return {
    kill,
    restart: async () => void (await each(server => server.start())),
    async stop() {
      await kill()
      for (const server of servers) server.remove()
    },
    pause: async ms =>
      void (await each(({ port }) =>
        withClient(port, client => client.call('CLIENT', 'PAUSE', `${ms}`, 'ALL')),
      )),
    dump: async () => (await read(dumpServer)).join('\n'),
    keys: () => read(listKeys),
  }
}

async function listKeys(client: Redis): Promise<StoredKey[]> {
  const keys = await client.keys('*')
  return Promise.all(
    keys.map(async key => ({ key, type: await client.type(key), ttlMs: await client.pttl(key) })),
  )
}

async function dumpServer(client: Redis): Promise<string[]> {
  const keys = await listKeys(client)
  return Promise.all(
    keys.map(
      async ({ key, type }) =>
        `${key} ${type} ${JSON.stringify(await readValue(client, key, type))}`,
    ),
  )
}

function readValue(client: Redis, key: string, type: string): Promise<unknown> {
  if (type === 'string') return client.get(key)
  if (type === 'hash') return client.hgetall(key)
  if (type === 'set') return client.smembers(key)
  if (type === 'zset') return client.zrange(key, '0', '-1', 'WITHSCORES')
  if (type === 'list') return client.lrange(key, 0, -1)
  throw new Error(`no way to read a ${type}`)
}

async function formCluster(masters: readonly Server[], replicas: readonly Server[]): Promise<void> {
  const nodes = [...masters, ...replicas]
  const share = Math.ceil(16384 / masters.length)
  for (const [index, { port }] of masters.entries()) {
    await withClient(port, async client => {
      const last = Math.min((index + 1) * share, 16384) - 1
      await client.call('CLUSTER', 'ADDSLOTSRANGE', `${index * share}`, `${last}`)
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
    })
  }
  const [first, ...others] = nodes
  for (const { port } of others) {
    await withClient(first!.port, async client => {
      const busPort = await withClient(port, async other => {
        const [, value] = (await other.call('CONFIG', 'GET', 'cluster-port')) as [string, string]
        return value
      })
      await client.call('CLUSTER', 'MEET', HOST, port, busPort)
    })
  }
  await until('the cluster to be whole', () => isClusterWhole(nodes))
  await Promise.all(replicas.map((replica, index) => follow(replica, masters[index]!)))
}

async function follow(replica: Server, master: Server): Promise<void> {
  const masterId = await withClient(master.port, client => client.cluster('MYID'))
  await until('a replica to follow its master', () =>
    withClient(replica.port, async client => {
      await client.call('CLUSTER', 'REPLICATE', String(masterId))
      return true
    }),
  )
  await until('a master to have its replica', () =>
    withClient(master.port, async client => (await client.info()).includes('state=online')),
  )
}

async function isClusterWhole(nodes: readonly Server[]): Promise<boolean> {
  const states = await Promise.all(
    nodes.map(({ port }) => withClient(port, client => client.cluster('INFO'))),
  )
  return states.every(
    state =>
      state.includes('cluster_state:ok') && state.includes(`cluster_known_nodes:${nodes.length}`),
  )
}

async function readSentinel(port: number, name: string): Promise<string | undefined> {
  const info = await withClient(port, client => client.info('sentinel'))
  const line = info.split('\r\n').find(text => text.includes(`name=${name}`))
  return line?.slice(line.indexOf('slaves='))
}

function isAnswering(port: number): Promise<boolean> {
  return withClient(port, async client => (await client.ping()) === 'PONG')
}

async function withClient<T>(port: number, act: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({
    ...{ host: HOST, port, lazyConnect: true, enableReadyCheck: false },
    ...{ retryStrategy: null, connectTimeout: 1000 },
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await act(client)
  } finally {
    client.disconnect()
  }
}
