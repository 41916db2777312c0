import { setTimeout as pause } from 'node:timers/promises'

export type WaitOptions = {
  /** What is waited for, in words; the failure names it. */
  what: string
  timeoutMs?: number
  intervalMs?: number
}

/**
 * Asks `condition` again and again until it answers something truthy, and answers that.
 *
 * @throws Error naming `what` when the time is over, with the last thing that `condition` threw as its cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 5000, intervalMs = 10 }: WaitOptions,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  let lastError: unknown
  while (performance.now() < deadline) {
    try {
      const answer = await condition()
      if (answer) return answer
    } catch (error) {
      lastError = error
    }
    await pause(intervalMs)
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: lastError })
}
