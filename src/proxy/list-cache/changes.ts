import type { Logger } from '../../observability/log.ts'
import type { Invalidations } from '../../store/port.ts'
import type { ListName } from './methods.ts'

/** How often the lists of backends have changed, as far as this replica knows. */
export type Changes = {
  /** Another text after each change; what was asked for under one is never given under another. */
  epochOf(backend: string, list: ListName | 'server'): string
  /** A backend has said so to one of our clients: counts here, and is told to all replicas. */
  seen(backend: string, list: ListName): void
  /** Tells what is still to be told. */
  close(): void
}

export type ChangesOptions = {
  /** Names of those whose lists are kept. */
  backends: readonly string[]
  invalidations: Invalidations
  logger: Logger
  /** Learns of each change that was seen here. */
  onSeen: (backend: string, list: ListName) => void
}

/** Each of many open streams brings the same notification; the other replicas are told at once, and then no more often than this. */
const TELL_EVERY_MS = 1000

/**
 * What has changed is found out from streams that pass through, here or at another replica. A message between replicas may be lost, which the life of an answer bounds.
 */
export function createChanges(options: ChangesOptions): Changes {
  const { invalidations, logger, onSeen } = options
  const backends = new Set(options.backends)
  const epochs = new Map<string, number>()
  const raise = (backend: string, list: string): void => {
    if (!backends.has(backend)) return
    const key = keyOf(backend, list)
    epochs.set(key, (epochs.get(key) ?? 0) + 1)
  }
  const announce = createAnnouncer((backend, list) => {
    invalidations.publish({ kind: 'lists', backend, list }).catch((err: unknown) => {
      logger.warn({ err, backend, list }, 'other replicas do not know yet that a list has changed')
    })
  })
  const unsubscribe = invalidations.subscribe(message => {
    if (message.kind === 'lists') raise(message.backend, message.list)
  })
  return {
    epochOf: (backend, list) => String(epochs.get(keyOf(backend, list)) ?? 0),
    seen(backend, list) {
      raise(backend, list)
      onSeen(backend, list)
      announce.soon(backend, list)
    },
    close() {
      unsubscribe()
      announce.close()
    },
  }
}

type Tell = (backend: string, list: ListName) => void

/** Tells the first at once; whatever comes while it may not tell is told as one at the end of that time. */
function createAnnouncer(tell: Tell): { soon: Tell; close: () => void } {
  const silences = new Map<string, { timer: NodeJS.Timeout; tellRest?: () => void }>()
  const soon: Tell = (backend, list) => {
    const key = keyOf(backend, list)
    const silence = silences.get(key)
    if (silence) {
      silence.tellRest = () => tell(backend, list)
      return
    }
    const end = (): void => {
      const isMoreToTell = silences.get(key)?.tellRest !== undefined
      silences.delete(key)
      if (isMoreToTell) soon(backend, list)
    }
    silences.set(key, { timer: setTimeout(end, TELL_EVERY_MS).unref() })
    tell(backend, list)
  }
  return {
    soon,
    close() {
      for (const { timer, tellRest } of silences.values()) {
        clearTimeout(timer)
        tellRest?.()
      }
      silences.clear()
    },
  }
}

function keyOf(backend: string, list: string): string {
  return `${backend} ${list}`
}
