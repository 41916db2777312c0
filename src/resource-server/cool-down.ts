import { LRUCache } from 'lru-cache'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { FreshToken, Usable } from '../upstream/fresh-token.ts'

type Failed = Exclude<FreshToken, Usable>

/** Exchanges that have failed, so that a thousand calls do not become a thousand requests to a server in trouble. */
export type CoolDown = {
  begin(grantId: string, answer: Failed): void
  find(grantId: string): Failed | undefined
}

const SIZE = 20_000
const GONE_MS = 5000
const AT_LEAST_MS = 1000
const AT_MOST_MS = 60_000

export function createCoolDown(watchCache: WatchCache = watchNothing): CoolDown {
  const cooling = new LRUCache<string, Failed>({ max: SIZE })
  watchCache('failed_exchanges', () => cooling.size)
  return {
    begin: (grantId, answer) => void cooling.set(grantId, answer, { ttl: lifeMs(answer) }),
    find: grantId => cooling.get(grantId),
  }
}

/** A second less than callers are told: who comes back in time finds it over. */
function lifeMs(answer: Failed): number {
  if (answer.outcome !== 'unavailable') return GONE_MS
  const wished = (answer.retryAfterSeconds - 1) * 1000
  return Math.min(Math.max(wished, AT_LEAST_MS), AT_MOST_MS)
}
