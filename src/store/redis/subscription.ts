import { Cluster, type Redis } from 'ioredis'
import type { Logger } from '../../observability/log.ts'
import { openBeside, type RedisClient } from './clients.ts'

/** Hears what other replicas say, on a connection of its own that is made anew whenever it is lost. */
export type Subscription = {
  onMessage(listener: (message: string) => void): void
  /** Subscribes again. To be called now and then: a subscriber cannot tell silence from a connection that is gone, unless it asks. */
  renew(): void
  close(): void
}

const RECONNECT_MS = 500

/**
 * Any node of a cluster will do, as each passes on what is published at another. The cluster client's own subscriber is not used: in a long outage it piles up
 * listeners on a connection that has ended, and it does not notice one that has gone silent.
 */
export function createSubscription(
  client: RedisClient,
  channel: string,
  logger: Logger,
): Subscription {
  const listeners: ((message: string) => void)[] = []
  let subscriber: Redis | undefined
  let isClosed = false

  const connect = (): void => {
    if (isClosed || subscriber) return
    const fresh = openSubscriber(client)
    subscriber = fresh
    // Its loss is the store's loss, which is logged by the connection that matters.
    fresh?.on('error', () => {})
    fresh?.on('ready', () => void subscribe(fresh))
    fresh?.on('end', connectLater)
    fresh?.on('message', (_channel: string, message: string) => {
      for (const listener of listeners) listener(message)
    })
    if (!fresh) connectLater()
  }
  const connectLater = (): void => {
    subscriber = undefined
    if (!isClosed) setTimeout(connect, RECONNECT_MS).unref()
  }
  const subscribe = async (to: Redis): Promise<void> => {
    await to.subscribe(channel).catch((error: unknown) => {
      if (!isClosed) logger.warn({ err: error }, 'not subscribed to invalidations')
    })
  }
  connect()

  return {
    onMessage: listener => void listeners.push(listener),
    renew: () => void (subscriber?.status === 'ready' && subscribe(subscriber)),
    close() {
      isClosed = true
      subscriber?.disconnect()
    },
  }
}

/** One more connection to the same server, or to some node of the cluster; `undefined` while no node is known. */
function openSubscriber(client: RedisClient): Redis | undefined {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client]
  const node = nodes[Math.floor(Math.random() * nodes.length)]
  return node && openBeside(node, { lazyConnect: false, retryStrategy: null })
}
