import type { Run } from './deadline.ts'

/** The server's clock: epoch seconds, with fraction. */
export type StoreClock = {
  now(): number
  /** Looks at the server's clock. Keeps the last known difference where it does not answer. */
  sample(): Promise<void>
}

/** Keeps the difference between the local clock and the server's, so that telling the time costs no round trip. */
export function createStoreClock(run: Run, localNow: () => number): StoreClock {
  let offsetSeconds = 0
  return {
    now: () => localNow() + offsetSeconds,
    async sample() {
      const sample = await run('read the clock', 'repeatable', async client => {
        const before = localNow()
        const [seconds, microseconds] = await client.time()
        // The server looked at its clock about halfway through the round trip.
        const asked = (before + localNow()) / 2
        return Number(seconds) + Number(microseconds) / 1e6 - asked
      }).catch(() => undefined)
      if (sample !== undefined) offsetSeconds = sample
    },
  }
}
