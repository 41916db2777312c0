import type { PresentedToken } from './access-token.ts'

/**
 * What is known of a bearer token.
 *
 * - `genuine`: the authorization server has issued it, and it is good until `goodUntil` (epoch seconds) without asking again.
 * - `refused`: it opens nothing here. `reason` is for the log.
 * - `unavailable`: nobody can say now. Never a statement about the token.
 */
export type Verification =
  | { outcome: 'genuine'; token: PresentedToken; goodUntil: number }
  | { outcome: 'refused'; reason: string }
  | Unavailable

export type Unavailable = { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }

/** Never rejects for what a stranger or the authorization server sends. */
export type VerifyPresented = (token: string) => Promise<Verification>

export function refused(reason: string): Verification {
  return { outcome: 'refused', reason }
}

export function unavailable(reason: string, retryAfterSeconds = 2): Unavailable {
  return { outcome: 'unavailable', reason, retryAfterSeconds }
}
