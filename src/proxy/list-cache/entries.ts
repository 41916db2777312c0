import { LRUCache } from 'lru-cache'
import type { ListAnswer } from './list-answer.ts'

/** An answer that is kept. `askedAt` is when it was asked for, in milliseconds of the cache's clock: whatever happened later may not be in it. */
export type Entry = ListAnswer & { askedAt: number }

export type Entries = {
  /** What this caller may be given: fresh, or stale and good for a failing backend only. */
  find(question: string, owner: string): Entry | undefined
  keep(question: string, owner: string, entry: Entry): void
  clear(): void
  size(): { entries: number; bytes: number }
}

/** A lost message about a change is noticed after this, whatever life the backend promises. */
const LONGEST_FRESH_MS = 600_000
/** How long after its life an answer stands in for a backend that fails. */
const STALE_MS = 600_000

const ENTRIES_AT_MOST = 4096
const BYTES_AT_MOST = 64 * 1024 * 1024
/** Of an entry beside its text. */
const OVERHEAD_BYTES = 512

/** @param clock milliseconds */
export function createEntries(clock: () => number): Entries {
  const cache = new LRUCache<string, Entry>({
    max: ENTRIES_AT_MOST,
    maxSize: BYTES_AT_MOST,
    sizeCalculation: ({ before, after }) => OVERHEAD_BYTES + before.length + after.length,
  })
  const findLiving = (key: string): Entry | undefined => {
    const entry = cache.get(key)
    if (!entry || ageOf(entry, clock()) < freshFor(entry) + STALE_MS) return entry
    cache.delete(key)
    return undefined
  }

  return {
    find(question, owner) {
      const shared = findLiving(question)
      if (shared && isFresh(shared, clock())) return shared
      const own = findLiving(ownKey(question, owner))
      if (!own || !shared || isFresh(own, clock())) return own ?? shared
      return own.askedAt >= shared.askedAt ? own : shared
    },
    keep(question, owner, entry) {
      if (entry.scope === 'public') {
        cache.set(question, entry)
        return
      }
      // The backend says by now that it is nothing to share.
      cache.delete(question)
      cache.set(ownKey(question, owner), entry)
    },
    clear: () => cache.clear(),
    size: () => ({ entries: cache.size, bytes: cache.calculatedSize }),
  }
}

export function isFresh(entry: Entry, now: number): boolean {
  return ageOf(entry, now) < freshFor(entry)
}

/** Milliseconds. */
export function ageOf({ askedAt }: Entry, now: number): number {
  return Math.max(0, now - askedAt)
}

function freshFor({ ttlMs }: Entry): number {
  return Math.min(ttlMs, LONGEST_FRESH_MS)
}

function ownKey(question: string, owner: string): string {
  return `${question} ${owner}`
}
