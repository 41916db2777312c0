import type { UpstreamTokens } from '../domain/grant.ts'

/** When a token came and ends. */
type Life = Pick<UpstreamTokens, 'issuedAt' | 'expiresAt'>

/** What the age of an upstream access token says: use it; use it and refresh behind; do not use it. */
export type Freshness = 'fresh' | 'ahead' | 'stale'

const AHEAD_PART = 0.1
const AHEAD_AT_LEAST_SECONDS = 60
/** Tokens of a few minutes or less would otherwise be refreshed all the time. */
const AHEAD_AT_MOST_PART = 0.2
/** A token that ends while its call is on the way to the backend is no use. */
const TRAVEL_SECONDS = 2

/**
 * @param now epoch seconds
 * @param jitter 0 … 1; spreads the refreshes of users who signed in together over the second half of the window
 */
export function judgeFreshness(tokens: Life, now: number, jitter: number): Freshness {
  const remaining = tokens.expiresAt - now
  if (remaining <= TRAVEL_SECONDS) return 'stale'
  return remaining <= aheadWindowSeconds(tokens) * (0.5 + jitter / 2) ? 'ahead' : 'fresh'
}

/** How long before its end a token is refreshed behind a call: a tenth of its life, at least a minute, at most a fifth. */
export function aheadWindowSeconds(tokens: Life): number {
  const life = tokens.expiresAt - tokens.issuedAt
  return Math.min(Math.max(life * AHEAD_PART, AHEAD_AT_LEAST_SECONDS), life * AHEAD_AT_MOST_PART)
}
