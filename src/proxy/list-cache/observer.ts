import type { ListName } from './methods.ts'

/**
 * How a request for a list was answered.
 *
 * - `hit`: with what was kept.
 * - `coalesced`: with what another request for the same brought.
 * - `stale`: with what was kept too long, because the backend failed.
 * - `miss`: by the backend.
 * - `bypass`: by the backend, since such a request cannot be answered otherwise.
 */
export type ListAnswered = 'hit' | 'coalesced' | 'stale' | 'miss' | 'bypass'

/** Learns of what the cache of one backend's lists does. */
export type ListObserver = {
  listAnswered(how: ListAnswered): void
  /** The backend has said that a list has changed. */
  listChanged(list: ListName): void
}
