import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { RateLimit } from '../domain/rate.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { RateCounters } from '../store/port.ts'
import { readMessages } from './message.ts'
import { type Counter, createSharedCounters } from './shared-counters.ts'

/** What calls are counted by. */
export type CallLimit = 'subject' | 'client' | 'backend' | 'tool'

/** Which limit a call is beyond, and when there is room again. */
export type Excess = { limit: CallLimit; retryAfterSeconds: number }

export type CallLimitOptions = {
  limits: Readonly<Record<CallLimit, RateLimit>>
  rates: RateCounters
  /** Learns of each refusal. */
  onRefused: (limit: CallLimit) => void
  /** Epoch seconds. */
  now: () => number
  /** Between two looks at what the other replicas have counted. */
  syncIntervalMs?: number
  watchCache?: WatchCache
}

type Caller = Pick<AccessTokenClaims, 'subject' | 'clientId'>

/** Counts admitted calls. A call that is beyond one limit is counted by none. */
export type CallLimits = {
  take(caller: Caller, backend: string): Excess | undefined
  /** Counts each tool that a body calls. */
  takeTools(caller: Caller, backend: string, body: Buffer | undefined): Excess | undefined
  close(): void
}

type Counted = { limit: CallLimit; counter: Counter }

/** @returns nothing where there is no limit */
export function createCallLimits(options: CallLimitOptions): CallLimits | undefined {
  const { limits, rates, onRefused, now } = options
  if (Object.values(limits).every(rate => rate === 'off')) return undefined
  const counters = createSharedCounters(rates, now, options.syncIntervalMs)
  options.watchCache?.('call_counts', counters.count)

  const count = (limit: CallLimit, ...names: string[]): Counted[] => {
    const rate = limits[limit]
    if (rate === 'off') return []
    return [{ limit, counter: counters.find(JSON.stringify([limit, ...names]), rate) }]
  }
  const takeAll = (counted: readonly Counted[]): Excess | undefined => {
    for (const { limit, counter } of counted) {
      const retryAfterSeconds = counters.waitFor(counter)
      if (retryAfterSeconds === 0) continue
      onRefused(limit)
      return { limit, retryAfterSeconds }
    }
    for (const { counter } of counted) counters.take(counter)
    return undefined
  }

  return {
    take: ({ subject, clientId }, backend) =>
      takeAll([
        ...count('subject', subject),
        ...count('client', clientId),
        ...count('backend', backend),
      ]),
    takeTools({ subject }, backend, body) {
      if (limits.tool === 'off' || !body) return undefined
      return takeAll(toolsOf(body).flatMap(tool => count('tool', subject, backend, tool)))
    },
    close: counters.close,
  }
}

/** What cannot be read has no name, and is counted like a tool without one: a backend may read it nevertheless. */
function toolsOf(body: Buffer): string[] {
  const reading = readMessages(body, [])
  if (reading.outcome !== 'read') return ['']
  return reading.asks.flatMap(({ tool }) => (tool === undefined ? [] : [tool]))
}
