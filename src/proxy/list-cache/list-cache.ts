import type { WatchCache } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import type { Invalidations } from '../../store/port.ts'
import type { Call } from '../call.ts'
import type { Failure } from '../failures.ts'
import { askForPlain } from '../headers.ts'
import type { Refusals } from '../refusals.ts'
import { createWatch } from './change-watch.ts'
import { createChanges } from './changes.ts'
import { createEntries } from './entries.ts'
import type { Inquiry } from './flight.ts'
import { createListRequestReader } from './list-request.ts'
import { listOf } from './methods.ts'
import type { ListObserver } from './observer.ts'
import { Recall } from './recall.ts'

export type ListCacheOptions = {
  /** Names of the backends whose lists are kept. */
  backends: readonly string[]
  invalidations: Invalidations
  observe: (backend: string) => ListObserver
  /** Milliseconds; need not be those of any calendar, and never goes back. */
  clock: () => number
  /** How long requests wait for another that asks the same. */
  waitMs: number
  logger: Logger
  /** Ends a call whose answer is sent. */
  finish: (call: Call) => void
  watchCache?: WatchCache | undefined
}

/** What backends list, kept for as long as they say; of one process and one configuration. */
export type ListCache = {
  /** What takes calls instead of `send`, and gives those to it that a backend must answer. */
  inFrontOf(send: (call: Call) => void): (call: Call) => void
  /** Refusals for what sends calls: a list that was kept goes before a backend's failure. */
  rescuing(refusals: Refusals): Refusals
  size(): { entries: number; bytes: number }
  clear(): void
  close(): void
}

const RESCUED: ReadonlySet<Failure> = new Set([
  'backendUnreachable',
  'backendBroken',
  'backendTimeout',
  'overloaded',
])

/**
 * Answers requests for lists with what a backend said before, to whom it may be given: what is `public` to all whom the proxy has let in to that resource, what is `private` to the
 * grant that asked, as the backend was shown it. Kept is what the backend said; what a policy hides is left out for each caller anew.
 *
 * Stands behind admission, policy and token, so whatever a caller has lost by then is lost here too.
 *
 * @see MCP 2026-07-28, "Caching"
 */
export function createListCache(options: ListCacheOptions): ListCache {
  const { clock } = options
  const observers = new Map(options.backends.map(name => [name, options.observe(name)]))
  const entries = createEntries(clock)
  const changes = createChanges({
    ...options,
    onSeen: (backend, list) => observers.get(backend)?.listChanged(list),
  })
  const watch = createWatch(changes.seen)
  const readRequest = createListRequestReader(options.watchCache)
  return {
    inFrontOf(send) {
      const recall = new Recall({ ...options, entries, changes, observers, send })
      return call => {
        const { backend, head } = call.arrival
        const observer = observers.get(backend.name)
        if (!observer) return send(call)
        if (call.isListening) {
          askForPlain(head)
          call.companion = watch(backend.name)
          return send(call)
        }
        if (head.mcpMethod === undefined || !listOf(head.mcpMethod)) return send(call)
        const inquiry = inquiryOf(call, readRequest)
        if (inquiry) return recall.ask(inquiry)
        observer.listAnswered('bypass')
        send(call)
      }
    },
    rescuing: refusals => ({
      ...refusals,
      fail(call, failure, why) {
        const isRescued = RESCUED.has(failure) && !call.isOver && call.companion?.rescue()
        if (!isRescued) return refusals.fail(call, failure, why)
        const { correlationId, backend } = call.arrival
        const line = { correlationId, backend: backend.name, failure, reason: why.reason }
        options.logger.warn(line, 'answered with a stale list')
      },
    }),
    size: entries.size,
    clear: entries.clear,
    close: changes.close,
  }
}

function inquiryOf(
  call: Call,
  readRequest: ReturnType<typeof createListRequestReader>,
): Inquiry | undefined {
  const { backend, head, search, req } = call.arrival
  if (req.method !== 'POST' || !call.body) return undefined
  const { resource } = backend
  const request = readRequest({ resource, search, fields: head.passed, body: call.body })
  return request && { call, ...request, owner: `${call.claims.grantId} ${call.grantVersion}` }
}
