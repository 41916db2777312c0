/**
 * What the gateway asks of its store, in terms of what happens rather than of keys. Every operation is atomic across replicas: of any number of callers at
 * once, on any number of replicas, exactly one sees `redeemed`, `rotated` or a lease.
 *
 * Every operation throws `OutageError` when the store does not answer within its deadline. It never answers "not found" for an outage, so nothing is revoked,
 * refused or forgotten because a store is down.
 *
 * Secrets reach an adapter in the clear and leave it only as digests (where they are looked up) or sealed (where they are read back).
 */
import type { AuthorizationCode, PendingAuthorization } from '../domain/authorization-request.ts'
import type { Grant, Identity, UpstreamDeath, UpstreamTokens } from '../domain/grant.ts'
import type { OutageError } from '../domain/outage.ts'

export type Store = {
  clients: ClientStore
  authorizations: AuthorizationStore
  grants: GrantStore
  replay: ReplayGuard
  rates: RateCounters
  invalidations: Invalidations
  /**
   * Epoch seconds (with fraction) on the one clock that all replicas share: the store's own. A replica whose clock is off agrees with the others nevertheless.
   */
  now(): number
  /** Resolves when the store answers; throws `OutageError` otherwise. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Registered clients are not stored (RFC 7591 appendix A.5.2); only who is denied is. */
export type ClientStore = {
  isDenied(clientId: string): Promise<boolean>
  deny(clientId: string): Promise<void>
  lift(clientId: string): Promise<void>
}

export type Redemption =
  | { outcome: 'redeemed'; code: AuthorizationCode }
  | { outcome: 'replayed'; grantId: string }
  | { outcome: 'unknown' }

export type AuthorizationStore = {
  /** Keeps what a browser must bring back under a handle that only the browser knows. */
  park(handle: string, pending: PendingAuthorization, ttlSeconds: number): Promise<void>
  /** Takes it out, once. `undefined`: never parked, expired or taken before. */
  takePending(handle: string): Promise<PendingAuthorization | undefined>
  issueCode(code: string, record: AuthorizationCode, ttlSeconds: number): Promise<void>
  /**
   * Spends a code. The first caller gets what it stands for; for ten minutes after, any other learns which grant the first one got, so that a replay can revoke it.
   *
   * @see RFC 6749 section 4.1.2
   */
  takeCode(code: string): Promise<Redemption>
}

/** Which refresh token of a grant is meant: they are numbered, and a token names its number and the key that made it (see `domain/refresh-token.ts`). */
export type RefreshGeneration = { generation: number; kid: string }

/**
 * - `rotated`: the presented token was the newest; `successor` is the newest now.
 * - `repeated`: it was the newest until moments ago, and its successor has not been used: the same successor again.
 * - `replayed`: it was spent before. Somebody has a copy; the caller revokes the grant.
 * - `unknown`: no such grant.
 */
export type Rotation =
  | { outcome: 'rotated' | 'repeated'; successor: RefreshGeneration }
  | { outcome: 'replayed' }
  | { outcome: 'unknown' }

/** The right to redeem a grant's upstream refresh token, for a short while. */
export type Lease = { grantId: string; owner: string }

/**
 * A grant that has ended, as it was. One whose record does not open (its key has left the ring) ends like any other, as nobody can use it again; of such a one there is
 * only its id, and why it did not open.
 */
export type EndedGrant = Grant | UnopenedGrant
export type UnopenedGrant = { grantId: string; unopened: OutageError }

/** What came of ending several grants. Each is tried, whatever becomes of the others. */
export type Revocations = {
  ended: readonly EndedGrant[]
  /** Those of which the store did not say whether they have ended. */
  failures: readonly RevocationFailure[]
}
export type RevocationFailure = { grantId: string; error: unknown }

export type GrantStore = {
  /** Writes a new grant that ends at `expiresAt` (epoch seconds). Its first refresh token has generation 0 and is not valid before `activate`. */
  open(grant: Grant, expiresAt: number): Promise<void>
  /**
   * The code was redeemed: from now on the grant lives until `expiresAt`, and the refresh token `first` is its newest.
   *
   * @returns whether the grant still exists
   */
  activate(grantId: string, first: RefreshGeneration, expiresAt: number): Promise<boolean>
  find(grantId: string): Promise<Grant | undefined>
  /**
   * Spends a refresh token whose authenticity the caller has verified.
   *
   * A generation above the newest is one that the store has forgotten (a failover lost its last write); as the token is genuine, the grant moves on from it.
   *
   * @param successorKid the key that makes the successor, if this call rotates
   * @param expiresAt the grant's new end, if this call rotates or repeats
   */
  rotateRefreshToken(
    grantId: string,
    presented: RefreshGeneration,
    successorKid: string,
    expiresAt: number,
  ): Promise<Rotation>
  /** Ends a grant, tells all replicas, and answers what it was, so that its upstream tokens can be revoked too. */
  revoke(grantId: string): Promise<EndedGrant | undefined>
  /** Those that have ended before are not in the answer. */
  revokeEach(grantIds: readonly string[]): Promise<Revocations>
  revokeSubject(issuer: string, subject: string): Promise<Revocations>
  revokeClient(clientId: string): Promise<Revocations>
  listBySubject(issuer: string, subject: string): Promise<Grant[]>
  listByClient(clientId: string): Promise<Grant[]>
  /**
   * Shows the ids of all grants, a batch at a time. For operators: it reads the whole store. Every grant that exists all the while is shown at least once; one that comes or ends
   * meanwhile may be.
   */
  visitAll(visit: (grantIds: readonly string[]) => Promise<void>): Promise<void>
  /**
   * Claims the refresh of a grant's upstream tokens for `owner`, for the lease's life. Answers the grant as it is under the lease, or nothing where another owner holds
   * it or the grant is gone (`find` tells which).
   */
  claimUpstreamRefresh(
    grantId: string,
    owner: string,
  ): Promise<{ lease: Lease; grant: Grant } | undefined>
  /** @returns whether the lease was still ours */
  renewLease(lease: Lease): Promise<boolean>
  /** Does nothing where the lease is no longer ours. */
  releaseLease(lease: Lease): Promise<void>
  /**
   * Writes new upstream tokens (version + 1) and publishes it, if the lease still holds and nobody wrote since `seenVersion`. Never brings back a revoked grant.
   *
   * @returns whether it was written
   */
  replaceUpstreamTokens(lease: Lease, seenVersion: number, update: UpstreamUpdate): Promise<boolean>
  /** Notes, under the same conditions, that the upstream gives no more tokens, so that nobody asks it again. */
  markDead(lease: Lease, seenVersion: number, death: UpstreamDeath): Promise<boolean>
}

export type UpstreamUpdate = {
  tokens: UpstreamTokens
  identity?: Identity
  /** The grant's new end where the upstream's refresh life changed it; epoch seconds. */
  expiresAt?: number
}

export type ReplayGuard = {
  /**
   * @param until epoch seconds after which the id may be forgotten
   * @returns whether it was new
   */
  markUsed(id: string, until: number): Promise<boolean>
}

/** Counts what comes too often, for all replicas together. */
export type RateCounters = {
  /**
   * Adds to the count of a key in its present window, which begins with the first and then lasts `windowSeconds`, a whole number. The key may say who somebody is: it leaves an adapter as a digest.
   *
   * @returns the count now, and the seconds until the window ends
   */
  add(
    key: string,
    amount: number,
    windowSeconds: number,
  ): Promise<{ count: number; endsInSeconds: number }>
}

/** Something that other replicas may hold a copy of has changed. */
export type Invalidation =
  | { kind: 'grant'; grantId: string; change: 'replaced' | 'revoked' | 'dead' }
  /** A backend, by its name, says that what it lists has changed. */
  | { kind: 'lists'; backend: string; list: 'tools' | 'prompts' | 'resources' }

/** Best effort: a message may be lost, so nothing may depend on it for longer than its cache's life. */
export type Invalidations = {
  publish(invalidation: Invalidation): Promise<void>
  /** @returns how to stop listening */
  subscribe(listener: (invalidation: Invalidation) => void): () => void
}
