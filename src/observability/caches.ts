/** What is known of a cache from outside: bounded names, since they are labels. */
export type CacheName = 'access_tokens' | 'grants' | 'client_documents' | 'client_keys'

/** Whoever keeps a cache counts here. */
export type CacheCounts = { hits: { value: number }; misses: { value: number } }

/** @param size how many entries there are now */
export type WatchCache = (name: CacheName, size: () => number) => CacheCounts

export type Caches = {
  watch: WatchCache
  /** How many entries each has, by name. */
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
  const sizes = new Map<CacheName, () => number>()
  return {
    watch(name, size) {
      sizes.set(name, size)
      return countsOf(name)
    },
    sizes: () => new Map([...sizes].map(([name, size]) => [name, size()])),
  }
}
