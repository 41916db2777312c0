import { Cluster } from 'ioredis'
import type { Logger } from '../../observability/log.ts'
import { openBeside, type RedisClient } from './clients.ts'
import type { Keys } from './keys.ts'

/**
 * Waits, briefly, until replicas have what was written before, so that a failover does not lose what was acknowledged. Never fails: where replicas do not confirm
 * in time, the write stands on the master alone, and that is logged.
 */
export type ReplicaBarrier = {
  confirm(grantId: string): Promise<void>
  close(): void
}

export type ReplicaBarrierOptions = {
  /** How many replicas must confirm; 0 waits for none. */
  replicas: number
  keys: Keys
  logger: Logger
  /** Epoch seconds. */
  now: () => number
}

/** Server-side bound of one wait. */
const WAIT_MS = 100
/** Bound of a caller's wait: one that it just missed, and its own. */
const PATIENCE_MS = 3 * WAIT_MS
const LOG_INTERVAL_SECONDS = 60

/**
 * `WAIT` blocks its connection, and covers the connection's own last write. So it has a connection of its own, and first writes something there: replication keeps
 * the order of all writes of a server, so whoever has that has all that was written before it, by any connection. Writes that come while one wait is under way
 * share the next: a replica that is gone costs each caller a moment, not a queue.
 */
export function createReplicaBarrier(
  client: RedisClient,
  { replicas, keys, logger, now }: ReplicaBarrierOptions,
): ReplicaBarrier {
  if (replicas === 0) return { confirm: async () => {}, close: () => {} }
  const blocking =
    client instanceof Cluster
      ? client.duplicate([], { enableAutoPipelining: false })
      : openBeside(client, {})
  // Its loss is the store's loss, which is logged by the connection that matters.
  blocking.on('error', () => {})
  const rounds = new Map<string, { running: Promise<boolean>; next?: Promise<boolean> }>()
  let logAt = 0

  const wait = (grantId: string): Promise<boolean> =>
    within(PATIENCE_MS, waitForReplicas(blocking, keys.barrier(grantId), replicas))
  const join = (grantId: string): Promise<boolean> => {
    const server = serverOf(client, grantId)
    const round = rounds.get(server)
    if (round) {
      round.next ??= round.running.then(() => start(server, grantId))
      return round.next
    }
    return start(server, grantId)
  }
  const start = (server: string, grantId: string): Promise<boolean> => {
    const running = wait(grantId)
    const round: { running: Promise<boolean>; next?: Promise<boolean> } = { running }
    rounds.set(server, round)
    void running.then(() => {
      if (!round.next) rounds.delete(server)
    })
    return running
  }

  return {
    async confirm(grantId) {
      if ((await join(grantId)) || now() < logAt) return
      logAt = now() + LOG_INTERVAL_SECONDS
      logger.warn({ replicas }, 'replicas did not confirm a write in time; a failover may lose it')
    },
    close: () => blocking.disconnect(),
  }
}

async function waitForReplicas(
  client: RedisClient,
  barrierKey: string,
  replicas: number,
): Promise<boolean> {
  const results = await client
    .pipeline()
    .set(barrierKey, '1', 'PX', PATIENCE_MS)
    .wait(replicas, WAIT_MS)
    .exec()
  return Number(results?.[1]?.[1]) >= replicas
}

/** Whether the answer is yes and comes in time. */
function within(ms: number, answer: Promise<boolean>): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms, false)
    void answer
      .catch(() => false)
      .then(yes => {
        clearTimeout(timer)
        resolve(yes)
      })
  })
}

function serverOf(client: RedisClient, grantId: string): string {
  return client instanceof Cluster ? (client.slots[slotOf(grantId)]?.[0] ?? '') : ''
}

/**
 * The slot of a hash tag: CRC-16/XMODEM modulo the number of slots.
 *
 * @see Redis Cluster specification, "Key distribution model"
 */
export function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc % 16384
}
