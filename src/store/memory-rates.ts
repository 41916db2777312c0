import { LRUCache } from 'lru-cache'
import type { RateCounters } from './port.ts'

/** Whoever comes from more addresses than this within a window is not stopped by counting them. */
const COUNTERS_AT_MOST = 100_000

export function createMemoryRates(now: () => number): RateCounters {
  const counters = new LRUCache<string, { count: number; endsAt: number }>({
    max: COUNTERS_AT_MOST,
  })
  return {
    async add(key, amount, windowSeconds) {
      const at = now()
      const known = counters.get(key)
      const counter = known && known.endsAt > at ? known : { count: 0, endsAt: at + windowSeconds }
      counter.count += amount
      counters.set(key, counter)
      return { count: counter.count, endsInSeconds: counter.endsAt - at }
    },
  }
}
