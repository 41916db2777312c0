import { LRUCache } from 'lru-cache'
import type { Rate } from '../domain/rate.ts'
import type { RateCounters } from '../store/port.ts'

/** What one key has used of its rate, as far as this process knows. */
export type Counter = {
  readonly key: string
  readonly rate: Rate
  /** What the store last said for all replicas, and what has been sent to it since. */
  total: number
  /** What has not been sent. */
  pending: number
  /** Epoch seconds. */
  endsAt: number
}

export type SharedCounters = {
  find(key: string, rate: Rate): Counter
  /** Seconds until there is room again; 0 where there is room for as many now. */
  waitFor(counter: Counter, times: number): number
  take(counter: Counter, times: number): void
  /** How many there are. */
  count(): number
  close(): void
}

const SYNC_INTERVAL_MS = 1000
const COUNTERS_AT_MOST = 100_000

/**
 * Counts here, and tells the store once a second: a call waits for no round trip. Replicas together let through what the rate says, and what comes within a second of
 * reaching it. Without the store each goes on with what it has counted itself.
 *
 * @param now epoch seconds
 */
export function createSharedCounters(
  rates: RateCounters,
  now: () => number,
  syncIntervalMs: number = SYNC_INTERVAL_MS,
): SharedCounters {
  const counters = new LRUCache<string, Counter>({ max: COUNTERS_AT_MOST })
  const changed = new Set<Counter>()

  const sync = async (counter: Counter): Promise<void> => {
    const { key, pending, rate } = counter
    counter.pending = 0
    counter.total += pending
    try {
      const { count, endsInSeconds } = await rates.add(key, pending, rate.windowSeconds)
      counter.total = count
      counter.endsAt = now() + endsInSeconds
    } catch {
      // The store says itself that it is away; what is counted here goes on to count.
    }
  }
  const timer = setInterval(() => {
    const batch = [...changed]
    changed.clear()
    for (const counter of batch) void sync(counter)
  }, syncIntervalMs).unref()

  const begin = (counter: Counter): void => {
    counter.total = 0
    counter.pending = 0
    counter.endsAt = now() + counter.rate.windowSeconds
  }

  return {
    find(key, rate) {
      const known = counters.get(key)
      if (known) return known
      const counter = { key, rate, total: 0, pending: 0, endsAt: now() + rate.windowSeconds }
      counters.set(key, counter)
      return counter
    },
    waitFor(counter, times) {
      const left = counter.endsAt - now()
      if (left <= 0) begin(counter)
      const isRoom = counter.total + counter.pending + times <= counter.rate.count
      return isRoom ? 0 : Math.max(left, 1)
    },
    take(counter, times) {
      counter.pending += times
      changed.add(counter)
    },
    count: () => counters.size,
    close: () => clearInterval(timer),
  }
}
