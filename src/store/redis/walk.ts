import { Cluster, type Redis } from 'ioredis'
import type { GrantStore } from '../port.ts'
import type { RedisClient } from './clients.ts'
import type { RedisConnection } from './connection.ts'

const KEYS_PER_STEP = 500
const START = '0'

/** Walks the keys of each server that has some: in a cluster, of each master. */
export function createWalk({ run, keys }: RedisConnection): GrantStore['visitAll'] {
  const step = (node: Redis, cursor: string) =>
    run('walk', 'repeatable', () =>
      node.scan(cursor, 'MATCH', keys.everyGrant, 'COUNT', KEYS_PER_STEP),
    )

  return async function visitAll(visit) {
    const nodes = await run('walk', 'repeatable', async client => nodesOf(client))
    for (const node of nodes) {
      let cursor = START
      do {
        const [next, found] = await step(node, cursor)
        const grantIds = found.map(keys.grantIdOf).filter(grantId => grantId !== undefined)
        if (grantIds.length > 0) await visit(grantIds)
        cursor = next
      } while (cursor !== START)
    }
  }
}

function nodesOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client]
}
