import type { Context } from 'hono'
import { LRUCache } from 'lru-cache'
import { OAuthError } from '../domain/oauth-error.ts'
import type { RateLimit } from '../domain/rate.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import { createLimitNotes, tellSince } from '../observability/limit-notes.ts'
import type { RateCounters } from '../store/port.ts'

/** Endpoints that are counted together. */
export type EndpointGroup = 'register' | 'authorize' | 'token'

export type EndpointLimitOptions = {
  limits: Readonly<Record<EndpointGroup, RateLimit>>
  rates: RateCounters
  /** The network that a request comes from, as far as trusted proxies tell. */
  callerOf: (c: Context) => string
  /** Learns of each refusal. */
  onRefused: (group: EndpointGroup) => void
  /** Epoch seconds. */
  now: () => number
  watchCache?: WatchCache
}

/**
 * Counts a request to an endpoint against what its caller may send. It resolves or throws.
 *
 * @throws OAuthError with status 429 · OutageError where the store cannot count: who cannot be counted is not let in
 */
export type LimitEndpoint = (c: Context) => Promise<void>

const GROUPS: Readonly<Record<string, EndpointGroup>> = {
  '/register': 'register',
  '/authorize': 'authorize',
  '/consent': 'authorize',
  '/callback': 'authorize',
  '/token': 'token',
  '/revoke': 'token',
  '/introspect': 'token',
}
const REMEMBERED_CALLERS = 10_000

/** Before anybody has signed in there is nothing but the address to count by. All replicas count together. */
export function createEndpointLimits(options: EndpointLimitOptions): LimitEndpoint {
  const { limits, rates, callerOf, onRefused, now, watchCache = watchNothing } = options
  // Whoever is over the limit is refused here until its window ends, so that a flood does not reach the store.
  const refused = new LRUCache<string, number>({ max: REMEMBERED_CALLERS })
  watchCache('refused_callers', () => refused.size)
  const note = createLimitNotes(watchCache)

  const refuse = (c: Context, group: EndpointGroup, retryAfterSeconds: number): never => {
    onRefused(group)
    const since = note(JSON.stringify([c.req.path, callerOf(c)]))
    const reason = `more requests than the limit ${group} from one address`
    // Not a code that clients do not know: they take that for a broken grant, and ask their user to sign in.
    throw new OAuthError('temporarily_unavailable', 'too many requests, try again later', {
      reason: tellSince(reason, since ?? 0),
      isKnown: since === undefined,
      status: 429,
      retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)),
    })
  }

  return async c => {
    const group = GROUPS[c.req.path]
    const rate = group && limits[group]
    if (!rate || rate === 'off') return
    const key = JSON.stringify([group, callerOf(c)])
    const waitSeconds = (refused.get(key) ?? 0) - now()
    if (waitSeconds > 0) refuse(c, group, waitSeconds)
    const { count, endsInSeconds } = await rates.add(key, 1, rate.windowSeconds)
    if (count <= rate.count) return
    refused.set(key, now() + endsInSeconds)
    refuse(c, group, endsInSeconds)
  }
}
