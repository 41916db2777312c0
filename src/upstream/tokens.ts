import type { Grant } from '../domain/grant.ts'

/** A grant whose upstream access token can be used now. */
export type Usable = {
  outcome: 'usable'
  grant: Grant
  accessToken: string
  /** How it was come by; for the log and the metrics. */
  path: 'cache' | 'store' | 'joined' | 'waited' | 'refreshed'
}

/**
 * What a caller gets who asks for a fresh upstream token.
 *
 * - `gone`: the grant is revoked, expired, or its upstream wants a new login. The client must authorize again.
 * - `unavailable`: store or upstream cannot answer now. Nothing is lost; try again.
 */
export type FreshToken =
  | Usable
  | { outcome: 'gone'; reason: string }
  | { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }

/** The one source of upstream tokens; every entry uses it. */
export type UpstreamTokenSource = {
  /** The cached token where it is fresh: no promise, no store. For the hot path. */
  peek(grantId: string): Usable | undefined
  /** A fresh token, from wherever it takes. Never rejects. */
  resolve(grantId: string, correlationId: string): Promise<FreshToken>
  /**
   * A token other than `rejected`, which a backend has refused with 401: by another's refresh meanwhile, or by one that is forced now. Never rejects.
   */
  resolveAfterRejection(
    grantId: string,
    rejected: string,
    correlationId: string,
  ): Promise<FreshToken>
}
