import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { RateLimit } from '../domain/rate.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { RateCounters } from '../store/port.ts'
import { readMessages, saysOtherCharset } from './message.ts'
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

/** As a refusal says it; the same reason for the same limit. */
export function describeExcess({ limit, retryAfterSeconds }: Excess) {
  return { reason: `more calls than the limit of its ${limit}`, retryAfterSeconds }
}

type Caller = Pick<AccessTokenClaims, 'subject' | 'clientId'>

/** Counts admitted calls. A call that is beyond one limit is counted by none. */
export type CallLimits = {
  take(caller: Caller, backend: string): Excess | undefined
  /** Counts each tool that a body calls. */
  takeTools(caller: Caller, backend: string, sent: Sent): Excess | undefined
  close(): void
}

/** A request's body, and its fields as a flat list. */
type Sent = { body: Buffer | undefined; fields: readonly string[] }

type Counted = { limit: CallLimit; counter: Counter; times: number }

/** Longer names are none that a server should have. @see MCP, "Tool Names" */
const LONGEST_TOOL = 128
/** Only an older version of the protocol knows several calls in one body. */
const CALLS_AT_ONCE = 100

/** @returns nothing where there is no limit */
export function createCallLimits(options: CallLimitOptions): CallLimits | undefined {
  const { limits, rates, onRefused, now } = options
  if (Object.values(limits).every(rate => rate === 'off')) return undefined
  const counters = createSharedCounters(rates, now, options.syncIntervalMs)
  // A caller can think up as many tools as it likes; those must not crowd out what callers are counted by.
  const ofTools = createSharedCounters(rates, now, options.syncIntervalMs)
  options.watchCache?.('call_counts', () => counters.count() + ofTools.count())

  const count = (limit: CallLimit, names: readonly string[], times = 1): Counted[] => {
    const rate = limits[limit]
    if (rate === 'off') return []
    const key = JSON.stringify([limit, ...names])
    return [{ limit, counter: (limit === 'tool' ? ofTools : counters).find(key, rate), times }]
  }
  const takeAll = (counted: readonly Counted[]): Excess | undefined => {
    for (const { limit, counter, times } of counted) {
      const retryAfterSeconds = counters.waitFor(counter, times)
      if (retryAfterSeconds === 0) continue
      onRefused(limit)
      return { limit, retryAfterSeconds }
    }
    for (const { limit, counter, times } of counted) {
      if (limit === 'tool') ofTools.take(counter, times)
      else counters.take(counter, times)
    }
    return undefined
  }

  return {
    take: ({ subject, clientId }, backend) =>
      takeAll([
        ...count('subject', [subject]),
        ...count('client', [clientId]),
        ...count('backend', [backend]),
      ]),
    takeTools({ subject }, backend, { body, fields }) {
      if (limits.tool === 'off' || !body) return undefined
      const tools = Map.groupBy(toolsOf(body, fields), tool => tool)
      return takeAll(
        [...tools].flatMap(([tool, { length }]) => count('tool', [subject, backend, tool], length)),
      )
    },
    close() {
      counters.close()
      ofTools.close()
    },
  }
}

/** What cannot be read has no name, and is counted like a tool without one: a backend may read it nevertheless. So is what no honest client asks for. */
function toolsOf(body: Buffer, fields: readonly string[]): string[] {
  const reading = readMessages(body, [])
  if (reading.outcome !== 'read' || saysOtherCharset(fields)) return ['']
  const tools = reading.asks.flatMap(({ tool }) => (tool === undefined ? [] : [tool]))
  const areMany = tools.length > CALLS_AT_ONCE
  return tools.map(tool => (areMany || tool.length > LONGEST_TOOL ? '' : tool))
}
