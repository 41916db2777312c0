import type { WatchCache } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import type { BackendOptions } from '../backends.ts'
import type { Call } from '../call.ts'
import { createListCache, type ListCache, type ListCacheOptions } from './list-cache.ts'

/** What the cache of lists needs of its surroundings. */
export type ListSurroundings = Pick<ListCacheOptions, 'invalidations' | 'observe'> & {
  clock?: () => number
  waitMs?: number
}

export type ListChoice = {
  backends: readonly Pick<BackendOptions, 'name' | 'keepsLists'>[]
  lists?: ListSurroundings
  logger: Logger
  watchCache?: WatchCache
}

/** Others go to the backend themselves when the first has been under way for so long. */
const WAIT_MS = 5000

/**
 * @param finish what a call that was answered is noted with
 * @returns nothing where no backend wants it, so that nothing is spent on it
 */
export function chooseListCache(
  { backends, lists, logger, watchCache }: ListChoice,
  finish: (call: Call) => void,
): ListCache | undefined {
  const names = backends.filter(({ keepsLists }) => keepsLists).map(({ name }) => name)
  if (!lists || names.length === 0) return undefined
  const { clock = () => performance.now(), waitMs = WAIT_MS, ...others } = lists
  return createListCache({
    ...{ ...others, clock, waitMs, logger, watchCache, backends: names },
    finish: call => {
      finish(call)
      call.end()
    },
  })
}
