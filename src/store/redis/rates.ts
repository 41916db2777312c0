import type { RateCounters } from '../port.ts'
import type { RedisConnection } from './connection.ts'

export function createRedisRates({ run, keys, limiter }: RedisConnection): RateCounters {
  return {
    async add(key, amount, windowSeconds) {
      // Counted twice where the first answer was lost: too strict by one is harmless.
      const { consumedPoints, msBeforeNext } = await run('addToRate', 'repeatable', () =>
        limiter.penalty(keys.rate(key), amount, { customDuration: windowSeconds }),
      )
      return { count: consumedPoints, endsInSeconds: msBeforeNext / 1000 }
    },
  }
}
