/** How long the store keeps what is not told its end by each call. Seconds, fractions allowed. */
export type StoreLifetimes = {
  /** How long a spent refresh token is answered with its successor again (a lost response, two tabs). */
  graceSeconds: number
  /** How long a lease lasts unless it is renewed; longer than the deadline of one request to the upstream. */
  leaseSeconds: number
  /** How long a redeemed code is remembered, so that its replay can be told from an unknown code. */
  tombstoneSeconds: number
  /** The absolute life of a grant, as configured. Nothing that a call asks for makes a grant outlive it. */
  grantAbsoluteSeconds: number
}

export const DEFAULT_LIFETIMES: StoreLifetimes = {
  graceSeconds: 60,
  leaseSeconds: 15,
  tombstoneSeconds: 600,
  grantAbsoluteSeconds: 90 * 24 * 3600,
}
