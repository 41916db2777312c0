/** How many repeats a backend may be asked for: a share of its recent requests, so that repeats never multiply the load on a backend that is failing under it. */
export type RepeatBudget = {
  /** A request goes out for the first time. */
  note(): void
  /** @returns whether there may be one more repeat, which is counted then */
  take(): boolean
  /** Time goes by. To be called `TICKS` times in a window. */
  tick(): void
}

/** How many ticks a window has; with one each half second it is ten seconds long. */
const TICKS = 20
const SHARE = 0.2
/** In a window, however few requests there are. */
const FLOOR = 10

export function createRepeatBudget(): RepeatBudget {
  const requests = createWindow()
  const repeats = createWindow()
  return {
    note: requests.add,
    take() {
      if (repeats.total() + 1 > Math.max(FLOOR, SHARE * requests.total())) return false
      repeats.add()
      return true
    },
    tick() {
      requests.advance()
      repeats.advance()
    },
  }
}

/** A count that forgets what is older than a window. */
function createWindow() {
  const counts = new Float64Array(TICKS)
  let at = 0
  return {
    add(): void {
      counts[at] = (counts[at] ?? 0) + 1
    },
    advance(): void {
      at = (at + 1) % TICKS
      counts[at] = 0
    },
    total: (): number => counts.reduce((sum, count) => sum + count, 0),
  }
}
