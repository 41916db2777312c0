/**
 * A map whose entries end at their time (epoch seconds). Ended entries are never answered, and are dropped without being asked for: a write that comes long
 * enough after the last sweep drops them all, so the map holds no more than what lives plus what was written since.
 */
export type ExpiringMap<V> = {
  get(key: string): V | undefined
  set(key: string, value: V, expiresAt: number): void
  /** Moves the end of an entry that lives. */
  extend(key: string, expiresAt: number): void
  /** Takes an entry out: of any number of callers one gets it. */
  take(key: string): V | undefined
  /** All that live. */
  values(): V[]
  /** How many entries are held, ended ones included. */
  readonly size: number
}

const SWEEP_SECONDS = 10

export function createExpiringMap<V>(now: () => number): ExpiringMap<V> {
  const entries = new Map<string, { value: V; expiresAt: number }>()
  let sweepAt = now() + SWEEP_SECONDS

  const find = (key: string) => {
    const entry = entries.get(key)
    if (!entry || entry.expiresAt > now()) return entry
    entries.delete(key)
    return undefined
  }
  const sweep = (at: number): void => {
    if (at < sweepAt) return
    sweepAt = at + SWEEP_SECONDS
    for (const [key, { expiresAt }] of entries) if (expiresAt <= at) entries.delete(key)
  }

  return {
    get: key => find(key)?.value,
    set(key, value, expiresAt) {
      sweep(now())
      entries.set(key, { value, expiresAt })
    },
    extend(key, expiresAt) {
      const entry = find(key)
      if (entry) entry.expiresAt = expiresAt
    },
    take(key) {
      const entry = find(key)
      entries.delete(key)
      return entry?.value
    },
    values: () =>
      [...entries.values()].filter(entry => entry.expiresAt > now()).map(entry => entry.value),
    get size() {
      return entries.size
    },
  }
}
