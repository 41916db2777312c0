/** What is known of a cache from outside: bounded names, since they are labels. `docs/observability.md` says what each is. */
export const CACHE_NAMES = [
  ...(['access_tokens', 'refused_tokens', 'grants', 'ended_grants', 'failed_refreshes'] as const),
  ...(['exchanged_tokens', 'failed_exchanges', 'assertions'] as const),
  ...(['client_documents', 'client_keys', 'issuer_metadata', 'issuer_keys'] as const),
  ...(['failed_documents', 'list_requests', 'list_hints'] as const),
  ...(['addresses', 'bearers', 'call_counts', 'refused_callers', 'limit_notes'] as const),
] as const

export type CacheName = (typeof CACHE_NAMES)[number]

/** Whoever keeps a cache counts here. There is no counter for what nobody asks for. */
export type CacheCounts = {
  readonly hits: { value: number }
  readonly misses: { value: number }
}

/** @param size how many entries there are now; several caches of one name add up */
export type WatchCache = (name: CacheName, size: () => number) => CacheCounts

export type Caches = {
  watch: WatchCache
  /** How many entries each has, by name; none where the configuration has no such cache. */
  sizes(): ReadonlyMap<CacheName, number>
}

/** For caches that nobody looks at. */
export const watchNothing: WatchCache = () => ({ hits: { value: 0 }, misses: { value: 0 } })

/**
 * The caches of one configuration; they are let go together with it, while what was counted stays.
 *
 * @param countsOf the same for the same name
 */
export function createCaches(countsOf: (name: CacheName) => CacheCounts): Caches {
  const watched: [CacheName, () => number][] = []
  return {
    watch(name, size) {
      watched.push([name, size])
      return countsOf(name)
    },
    sizes() {
      const sizes = new Map(CACHE_NAMES.map(name => [name, 0]))
      for (const [name, size] of watched) sizes.set(name, (sizes.get(name) ?? 0) + size())
      return sizes
    },
  }
}
