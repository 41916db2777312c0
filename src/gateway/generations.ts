import type { ListenerOptions } from '../http/listener.ts'

/** What one configuration comes to: what answers requests, until a reload puts another in its place. */
export type Generation = Pick<ListenerOptions, 'find' | 'rest'> & {
  /** How many requests it has not answered to the end. */
  underWay(): number
  /** Ends streams that only listen. */
  drain(): void
  /** Breaks what is still under way. */
  close(): Promise<void>
}

export type Generations<G extends Generation> = Pick<ListenerOptions, 'find' | 'rest'> & {
  readonly current: G
  /** From now on `next` gets all requests. The one before it finishes those that it has, and is closed then. */
  replace(next: G): void
  /** The current one, and those before it that have not finished. */
  all(): readonly G[]
  drain(): void
  close(): Promise<void>
}

const RETIREMENT_CHECK_MS = 1000

/** A part of the composition in `gateway.ts`. */
export function createGenerations<G extends Generation>(
  first: G,
  onError: (error: unknown) => void,
): Generations<G> {
  let current = first
  const retiring = new Map<G, NodeJS.Timeout>()
  const closing = new Set<Promise<void>>()
  const all = (): G[] => [current, ...retiring.keys()]

  const retire = (old: G): void => {
    // A request may have been handed over and not yet be counted, so it has to be seen idle twice.
    let wasIdle = false
    const check = (): void => {
      const isIdle = old.underWay() === 0
      if (isIdle && wasIdle) {
        clearInterval(retiring.get(old))
        retiring.delete(old)
        const closed = old.close().catch(onError)
        closing.add(closed)
        void closed.then(() => closing.delete(closed))
      }
      wasIdle = isIdle
    }
    retiring.set(old, setInterval(check, RETIREMENT_CHECK_MS).unref())
    old.drain()
  }

  return {
    find: path => current.find(path),
    rest: (req, res) => current.rest(req, res),
    get current() {
      return current
    },
    replace(next) {
      const old = current
      current = next
      retire(old)
    },
    all,
    drain: () => {
      for (const generation of all()) generation.drain()
    },
    close: async () => {
      for (const timer of retiring.values()) clearInterval(timer)
      // Those that are about to end too: one may still have to store a token of which there is no other copy.
      await Promise.all([...all().map(generation => generation.close()), ...closing])
    },
  }
}
