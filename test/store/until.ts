import { waitFor } from '../support/wait-for.ts'

/** Resolves when the condition holds; fails with its name when it does not within 15 s, which is long for any machine. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await waitFor(condition, { what, timeoutMs: 15_000, intervalMs: 20 })
}
