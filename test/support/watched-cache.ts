import type { CacheName, WatchCache } from '../../src/observability/caches.ts'

/** Takes the counts of one cache: its hits, then its misses. */
export function watchOne(name: CacheName): { watch: WatchCache; counted(): [number, number] } {
  const hits = { value: 0 }
  const misses = { value: 0 }
  return {
    watch: of => (of === name ? { hits, misses } : { hits: { value: 0 }, misses: { value: 0 } }),
    counted: () => [hits.value, misses.value],
  }
}
