import { OutageError } from '../../domain/outage.ts'
import type { RateCounters } from '../port.ts'
import type { RedisConnection } from './connection.ts'
import { toMs } from './records.ts'

export function createRedisRates({ run, keys }: RedisConnection): RateCounters {
  return {
    async add(key, amount, windowSeconds) {
      // Counted twice where the first answer was lost: too strict by one is harmless.
      const reply = await run('addToRate', 'repeatable', client =>
        client.addToRate(keys.rate(key), `${amount}`, `${toMs(windowSeconds)}`),
      )
      const [count, leftMs] = Array.isArray(reply) ? reply : []
      if (typeof count !== 'number' || typeof leftMs !== 'number')
        throw new OutageError('store', 'a script answered no counts')
      return { count, endsInSeconds: leftMs / 1000 }
    },
  }
}
