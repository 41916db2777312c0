import { LRUCache } from 'lru-cache'
import { type WatchCache, watchNothing } from './caches.ts'

/**
 * Decides which refusals by a limit are put on record: the first of a caller, and then one a minute at most. Whoever is beyond a limit decides how many there are.
 *
 * @param who whatever tells callers and limits apart
 * @returns how many were refused since the one before that is on record; `undefined` for one that is not to be
 */
export type NoteLimited = (who: string) => number | undefined

const QUIET_MS = 60_000
const REMEMBERED = 10_000

/** @param nowMs monotonic */
export function createLimitNotes(
  watchCache: WatchCache = watchNothing,
  nowMs: () => number = () => performance.now(),
): NoteLimited {
  const notes = new LRUCache<string, { at: number; since: number }>({ max: REMEMBERED })
  watchCache('limit_notes', () => notes.size)
  return who => {
    const known = notes.get(who)
    if (known && nowMs() - known.at < QUIET_MS) {
      known.since += 1
      return undefined
    }
    notes.set(who, { at: nowMs(), since: 0 })
    return known?.since ?? 0
  }
}

/** What is on record says how many are not. */
export function tellSince(reason: string, since: number): string {
  return since === 0 ? reason : `${reason}; ${since} more since this was said before`
}
