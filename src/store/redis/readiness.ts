import type { Logger } from '../../observability/log.ts'
import { type RedisClient, UNSENT } from './clients.ts'

/** Whether commands can be sent now, and a way to wait for it. */
export type Readiness = {
  /** Calls back as soon as commands can be sent, perhaps at once. @returns how to give up waiting */
  whenReady(callback: () => void): () => void
  /** Why there is no connection, where something has said so. */
  reason(): unknown
  /** Runs each time the connection has come (back). */
  onReady(listener: () => void): void
  close(): void
}

/** Follows a client's connection, and logs each change once: when it has happened, not when it is hoped for, and not for each attempt. */
export function watchReadiness(client: RedisClient, logger: Logger): Readiness {
  const waiting = new Set<() => void>()
  const listeners: (() => void)[] = []
  let state: 'new' | 'connected' | 'lost' | 'closed' = 'new'
  let lastError: unknown

  const lost = (): void => {
    if (state === 'lost' || state === 'closed') return
    state = 'lost'
    logger.warn({ err: lastError }, 'store lost')
  }
  client.on('error', (error: unknown) => {
    // What could not be sent any more says that the connection has ended; why, the error before has said.
    if (lastError === undefined || !isUnsent(error)) lastError = error
    if (state === 'new') lost()
  })
  client.on('close', lost)
  client.on('ready', () => {
    if (state === 'closed') return
    if (state !== 'connected') logger.info('store connected')
    state = 'connected'
    lastError = undefined
    const callbacks = [...waiting]
    waiting.clear()
    for (const callback of [...listeners, ...callbacks]) callback()
  })

  return {
    whenReady(callback) {
      if (client.status === 'ready') callback()
      else waiting.add(callback)
      return () => void waiting.delete(callback)
    },
    reason: () => lastError,
    onReady: listener => void listeners.push(listener),
    close() {
      state = 'closed'
      waiting.clear()
    },
  }
}

function isUnsent(error: unknown): boolean {
  return error instanceof Error && UNSENT.test(error.message)
}
