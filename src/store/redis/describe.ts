import { Cluster } from 'ioredis'
import type { Run } from './deadline.ts'

/** What a Redis says of itself. A managed one may not tell everything. */
export type RedisDescription = {
  version: string | undefined
  /** Anything but `noeviction` may throw grants away before their end. Of a cluster: the worst of its masters. */
  maxmemoryPolicy: string | undefined
  role: string | undefined
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
    connectedReplicas: replicas.length > 0 ? Math.min(...replicas.map(Number)) : undefined,
  }
}

function parseInfo(report: string): Map<string, string> {
  return new Map(
    report
      .split('\r\n')
      .map(line => line.split(':'))
      .flatMap(([name, value]) => (name && value !== undefined ? [[name, value] as const] : [])),
  )
}
