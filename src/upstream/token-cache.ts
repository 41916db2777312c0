import { LRUCache } from 'lru-cache'
import { type CacheCounts, type WatchCache, watchNothing } from '../observability/caches.ts'
import { asJoined, type FreshToken, type Usable } from './fresh-token.ts'

/** What this process knows of grants, for a few seconds each, and what it is about to know. */
export type TokenCache = {
  /** Of its user, who knows what can be used of what is found: a call looks twice where it has to wait. */
  counts: CacheCounts
  find(grantId: string): { usable: Usable; jitter: number } | undefined
  findGone(grantId: string): Gone | undefined
  /** Keeps an answer that may be given again; never one that is older than what is there. */
  remember(grantId: string, answer: FreshToken): void
  forget(grantId: string): void
  /** @param version the newest that is known to be */
  forgetOlder(grantId: string, version: number): void
}

type Gone = FreshToken & { outcome: 'gone' }

/**
 * @param limits.cacheMs the bound on a lost invalidation
 * @param limits.cacheSize how many grants are held at most
 */
export function createTokenCache({
  cacheMs: ttl = 5000,
  cacheSize: max = 20_000,
  watchCache = watchNothing,
}: {
  cacheMs?: number
  cacheSize?: number
  watchCache?: WatchCache
}): TokenCache {
  const cache = new LRUCache<string, { usable: Usable; jitter: number }>({ max, ttl })
  const gone = new LRUCache<string, Gone>({ max, ttl })
  const counts = watchCache('grants', () => cache.size)
  watchCache('ended_grants', () => gone.size)
  const forgetOlder = (grantId: string, version: number): void => {
    const cached = cache.peek(grantId)
    if (cached && cached.usable.grant.version < version) cache.delete(grantId)
  }
  return {
    counts,
    find: (grantId: string) => cache.get(grantId),
    findGone: (grantId: string) => gone.get(grantId),
    forgetOlder,
    forget: (grantId: string): void => {
      cache.delete(grantId)
      gone.delete(grantId)
    },
    remember: (grantId: string, answer: FreshToken): void => {
      if (answer.outcome === 'gone') {
        cache.delete(grantId)
        gone.set(grantId, answer)
      }
      if (answer.outcome !== 'usable') return
      forgetOlder(grantId, answer.grant.version)
      // A slow answer of the store does not take the place of a newer one.
      if (cache.has(grantId)) return
      cache.set(grantId, { usable: { ...answer, path: 'cache' }, jitter: Math.random() })
    },
  }
}

/** Joins callers to the work that is under way for the same thing, and only to that: a settled result is never shared. */
export function createOnce(remember: TokenCache['remember']) {
  const running = new Map<string, Map<string, Promise<FreshToken>>>()
  return {
    run: (grantId: string, what: string, work: () => Promise<FreshToken>): Promise<FreshToken> => {
      const ofGrant = running.get(grantId) ?? new Map<string, Promise<FreshToken>>()
      const joined = ofGrant.get(what)
      if (joined) return joined.then(asJoined)
      const promise = work()
        .then(answer => {
          if (running.get(grantId) === ofGrant) remember(grantId, answer)
          return answer
        })
        .finally(() => {
          ofGrant.delete(what)
          if (ofGrant.size === 0 && running.get(grantId) === ofGrant) running.delete(grantId)
        })
      ofGrant.set(what, promise)
      running.set(grantId, ofGrant)
      return promise
    },
    /** The grant has changed: what is under way may have read it before, so its result is neither joined any more nor remembered. */
    spoil: (grantId: string): void => {
      running.delete(grantId)
    },
  }
}
