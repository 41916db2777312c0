import type { Grant } from '../domain/grant.ts'

/** A grant whose upstream access token can be used now. */
export type Usable = {
  outcome: 'usable'
  grant: Grant
  /** What the backend gets; `undefined` for one that gets nothing. */
  accessToken: string | undefined
  /** How it was come by; for the log and the metrics. */
  path: 'cache' | 'store' | 'joined' | 'waited' | 'refreshed'
}

/**
 * What a caller gets who asks for a fresh upstream token.
 *
 * - `gone`: the grant is revoked, expired, or its upstream wants a new login. The client must authorize again.
 * - `unavailable`: store or upstream cannot answer now. Nothing is lost; try again.
 * - `rejected`: a backend refuses a token that is as new as can be. The grant lives, but not for this backend.
 * - `forbidden`: a backend wants of the user what a login has not brought, and another one would not either.
 */
export type FreshToken =
  | Usable
  | { outcome: 'gone'; reason: string }
  | { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }
  | { outcome: 'rejected' }
  | { outcome: 'forbidden'; reason: string }

/** The same answer for one who has waited for what another had under way. */
export function asJoined(answer: FreshToken): FreshToken {
  return answer.outcome === 'usable' ? { ...answer, path: 'joined' } : answer
}
