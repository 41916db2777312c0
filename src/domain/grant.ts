import type { Scope } from './scope.ts'

/** Who signed in, as the upstream says it. Renewed with each ID token that a refresh brings. */
export type Identity = {
  /** Upstream `iss`, exact. */
  issuer: string
  /** Upstream `sub` (or what the preset says identifies a user). */
  subject: string
  email?: string
  name?: string
  groups?: readonly string[]
  roles?: readonly string[]
  /** The user has more groups than the upstream puts into a token: `groups` is not all of them, and who decides by groups must say no or look further. */
  groupsOverage?: true
  /** Further claims that the configuration names, and nothing else of the ID token. */
  claims?: Readonly<Record<string, unknown>>
}

/** The upstream's tokens of one grant. They leave this process only sealed (store) or as the backend's `Authorization`. */
export type UpstreamTokens = {
  accessToken: string
  /** Epoch seconds when they came; with `expiresAt` this is the life that the ahead window is a part of. */
  issuedAt: number
  /** Epoch seconds. */
  expiresAt: number
  refreshToken?: string
  /** Epoch seconds; only where the upstream says so. */
  refreshExpiresAt?: number
  /** As the upstream granted it. */
  scope?: Scope
  /** What the access token was asked for, where that is not what the login asked for. */
  purpose?: string
  /** What the access token was exchanged for. */
  derived?: DerivedToken
}

/** A token that the upstream gave for the one of the login, for the backend. */
export type DerivedToken = {
  accessToken: string
  /** Epoch seconds. */
  issuedAt: number
  /** Epoch seconds. */
  expiresAt: number
  /** What it was asked for. */
  purpose: string
}

/** Why the upstream will give no more tokens without a new login. */
export type UpstreamDeath = {
  /** The upstream's `error`, or `expired` where there is no refresh token. */
  error: string
  /** Epoch seconds. */
  at: number
  /** The `claims` that conditional access asks the next login for. */
  claims?: string
}

/**
 * Stands for the upstream of a grant for which nobody signed in here: a machine's, or one that rests on somebody else's assertion. No configured upstream is called so,
 * which is why such a grant is never refreshed, and never revoked anywhere else.
 */
export const NO_UPSTREAM = ''

/** One authorization of one client by one user for one resource, with all its tokens. */
export type Grant = {
  grantId: string
  clientId: string
  clientName: string
  /** Which configured upstream signed the user in; `NO_UPSTREAM` where none did. */
  upstream: string
  identity: Identity
  resource: string
  scope: Scope
  /** Epoch seconds. */
  openedAt: number
  /** What its login has asked the upstream for, because an earlier one lacked it. */
  claims?: string
  upstreamTokens: UpstreamTokens
  /** Counts the writes of `upstreamTokens`; a writer that saw another one has lost. */
  version: number
  dead?: UpstreamDeath
}

/** How long a grant lives, as configured. */
export type GrantLifetime = { idleSeconds: number; absoluteSeconds: number }

/**
 * When a grant ends unless it is used before: its idle or its absolute life, or the last moment at which the upstream can still give a token, whichever is first.
 * The one place that knows; every TTL of a grant comes from here.
 *
 * @returns epoch seconds
 */
export function grantExpiresAt(
  grant: Pick<Grant, 'openedAt' | 'upstreamTokens'>,
  lifetime: GrantLifetime,
  now: number,
): number {
  const { refreshToken, refreshExpiresAt, expiresAt } = grant.upstreamTokens
  const upstreamEnd =
    refreshToken === undefined ? expiresAt : (refreshExpiresAt ?? Number.POSITIVE_INFINITY)
  return Math.min(
    now + lifetime.idleSeconds,
    grant.openedAt + lifetime.absoluteSeconds,
    upstreamEnd,
  )
}

/**
 * The last moment to which use can prolong a grant: its absolute end, or that of the upstream's token where it cannot be refreshed.
 *
 * @returns epoch seconds
 */
export function grantLatestEnd(
  { openedAt, upstreamTokens }: Pick<Grant, 'openedAt' | 'upstreamTokens'>,
  absoluteSeconds: number,
): number {
  const { refreshToken, expiresAt } = upstreamTokens
  const absoluteEnd = openedAt + absoluteSeconds
  return refreshToken === undefined ? Math.min(absoluteEnd, expiresAt) : absoluteEnd
}
