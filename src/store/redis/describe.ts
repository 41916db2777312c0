import { Cluster } from 'ioredis'
import type { Run } from './deadline.ts'

/** What a Redis says of itself. A managed one may not tell everything. */
export type RedisDescription = {
  version: string | undefined
  /** Anything but `noeviction` may throw grants away before their end. Of a cluster: the worst of its masters. */
  maxmemoryPolicy: string | undefined
  role: string | undefined
  /** How much of `maxmemory` is used, 1 where it is full; missing where there is no limit. Of a cluster: of the fullest of its masters. */
  memoryUse: number | undefined
  /** Of a cluster: of the master that has fewest. */
  connectedReplicas: number | undefined
}

/** @throws OutageError */
export async function describe(run: Run): Promise<RedisDescription> {
  const reports = await run('read INFO', 'repeatable', client =>
    client instanceof Cluster
      ? Promise.all(client.nodes('master').map(node => node.info()))
      : Promise.all([client.info()]),
  )
  const fields = reports.map(parseInfo)
  const policies = fields.map(info => info.get('maxmemory_policy'))
  const replicas = fields.map(info => info.get('connected_slaves')).filter(n => n !== undefined)
  return {
    version: fields[0]?.get('redis_version'),
    maxmemoryPolicy:
      policies.find(policy => policy !== undefined && policy !== 'noeviction') ?? policies[0],
    role: fields[0]?.get('role'),
    memoryUse: highest(fields.map(memoryUseOf)),
    connectedReplicas: replicas.length > 0 ? Math.min(...replicas.map(Number)) : undefined,
  }
}

function memoryUseOf(info: ReadonlyMap<string, string>): number | undefined {
  const limit = Number(info.get('maxmemory') ?? 0)
  return limit > 0 ? Number(info.get('used_memory')) / limit : undefined
}

function highest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length > 0 ? Math.max(...known) : undefined
}

function parseInfo(report: string): Map<string, string> {
  return new Map(
    report
      .split('\r\n')
      .map(line => line.split(':'))
      .flatMap(([name, value]) => (name && value !== undefined ? [[name, value] as const] : [])),
  )
}
