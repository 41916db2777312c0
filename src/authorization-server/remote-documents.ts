import CachePolicy from 'http-cache-semantics'
import { LRUCache } from 'lru-cache'
import type { FetchedJson, FetchFailure, GuardedFetch } from '../http/guarded-fetch.ts'
import { type CacheName, type WatchCache, watchNothing } from '../observability/caches.ts'

/** A document at a stranger's URL, read, or why there is none. `unreachable` says nothing about the document. */
export type RemoteDocument<T> = { outcome: 'found'; value: T } | FetchFailure

export type RemoteDocuments<T> = {
  find(url: string): Promise<RemoteDocument<T>>
  /** The same, fetched again unless that was done a moment ago: for when the copy lacks something that may have been published since. */
  renew(url: string): Promise<RemoteDocument<T>>
}

export type RemoteDocumentsOptions<T> = {
  fetchJson: GuardedFetch
  maxBytes: number
  /** @returns the document, or, as a text, why it is not acceptable */
  read(json: unknown, url: string): T | string
  /** Hears of each fetch that failed. */
  onFailure(url: string, failure: FetchFailure): void
  /** Epoch seconds. */
  now: () => number
  name: CacheName
  watchCache?: WatchCache
}

type Copy<T> = { value: T; fetchedAt: number; freshUntil: number }

const MAX_DOCUMENTS = 1000
const MIN_FRESH_SECONDS = 5 * 60
const MAX_FRESH_SECONDS = 24 * 3600
/** How long a copy still serves whose publisher does not answer. */
const MAX_STALE_SECONDS = 24 * 3600
/** For so long a failure is not tried again: it holds back a flood, and its author hardly notices. */
const FAILURE_SECONDS = 10
const RENEWAL_COOLDOWN_SECONDS = 30

/**
 * Documents of strangers, each fetched once for all that ask at the same time, and kept as long as its HTTP headers say, within bounds. A copy outlives its publisher's
 * outage, but not its publisher's withdrawal of it.
 *
 * @see RFC 9111, draft-ietf-oauth-client-id-metadata-document-02 section 5.2
 */
export function createRemoteDocuments<T extends object>(
  options: RemoteDocumentsOptions<T>,
): RemoteDocuments<T> {
  const { fetchJson, maxBytes, read, onFailure, now, watchCache = watchNothing } = options
  const copies = new LRUCache<string, Copy<T>>({ max: MAX_DOCUMENTS })
  const { hits, misses } = watchCache(options.name, () => copies.size)
  // Apart from the copies, so that a flood of URLs that lead nowhere does not push out what is good.
  const failures = new LRUCache<string, { failure: FetchFailure; until: number }>({
    max: MAX_DOCUMENTS,
  })
  watchCache('failed_documents', () => failures.size)
  const underWay = new Map<string, Promise<RemoteDocument<T>>>()

  async function fetchOnce(url: string): Promise<RemoteDocument<T>> {
    const fetched = await fetchJson(url, maxBytes)
    if (fetched.outcome !== 'fetched') return remember(url, fetched)
    const value = read(fetched.value, url)
    if (typeof value === 'string') return remember(url, { outcome: 'refused', reason: value })
    return keep(url, value, fetched.headers)
  }

  function keep(url: string, value: T, headers: Fetched['headers']): RemoteDocument<T> {
    const fetchedAt = now()
    copies.set(url, { value, fetchedAt, freshUntil: fetchedAt + freshSeconds(headers) })
    failures.delete(url)
    return { outcome: 'found', value }
  }

  function remember(url: string, failure: FetchFailure): RemoteDocument<T> {
    onFailure(url, failure)
    failures.set(url, { failure, until: now() + FAILURE_SECONDS })
    if (failure.outcome === 'refused') copies.delete(url)
    return fallBack(url, failure)
  }

  function fallBack(url: string, failure: FetchFailure): RemoteDocument<T> {
    const copy = copies.get(url)
    if (!copy || copy.freshUntil + MAX_STALE_SECONDS < now()) return failure
    return { outcome: 'found', value: copy.value }
  }

  function fetchJoined(url: string): Promise<RemoteDocument<T>> {
    const failed = failures.get(url)
    if (failed && failed.until > now()) return Promise.resolve(fallBack(url, failed.failure))
    const joined = underWay.get(url) ?? fetchOnce(url).finally(() => underWay.delete(url))
    underWay.set(url, joined)
    return joined
  }

  const findCopy = (url: string, isGood: (copy: Copy<T>) => boolean) => {
    const copy = copies.get(url)
    const found = copy && isGood(copy) ? copy : undefined
    if (found) hits.value += 1
    else misses.value += 1
    return found && ({ outcome: 'found', value: found.value } as const)
  }
  return {
    find: async url => findCopy(url, ({ freshUntil }) => freshUntil > now()) ?? fetchJoined(url),
    renew: async url =>
      findCopy(url, ({ fetchedAt }) => fetchedAt + RENEWAL_COOLDOWN_SECONDS > now()) ??
      fetchJoined(url),
  }
}

type Fetched = FetchedJson & { outcome: 'fetched' }

/** What the headers allow, within our bounds. A document that may not be stored at all is kept for the shortest while: each flow reads it several times. */
function freshSeconds(headers: Fetched['headers']): number {
  const policy = new CachePolicy({ headers: {} }, { status: 200, headers: { ...headers } })
  const age = Number(headers.age ?? 0)
  const fresh = policy.storable() ? policy.maxAge() - (Number.isFinite(age) ? age : 0) : 0
  return Math.min(Math.max(fresh, MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)
}
