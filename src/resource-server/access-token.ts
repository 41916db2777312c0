import type { Identity } from '../domain/grant.ts'
import { parseScope, type Scope } from '../domain/scope.ts'
import { type ClaimNames, readIdentity } from '../upstream/identity.ts'

/** What an access token of the external authorization server says; that server stands for it. */
export type PresentedToken = {
  identity: Identity
  /** Empty where the token does not say. */
  clientId: string
  audience: readonly string[]
  scope: Scope
  /** `jti`; empty where there is none. */
  tokenId: string
  /** Epoch seconds. */
  issuedAt: number
  /** Epoch seconds; infinite where only the authorization server knows. */
  expiresAt: number
}

export type TokenRules = {
  /** Exact. */
  issuer: string
  names: ClaimNames
  /** Further claims that rules of access look at. */
  kept: readonly string[]
}

type Claims = Readonly<Record<string, unknown>>

/** How far the authorization server's clock may be ahead of ours. An expired token is expired, though: that its client can mend. */
export const CLOCK_TOLERANCE_SECONDS = 60

/** Members that ID tokens have and access tokens have not. @see OpenID Connect Core sections 2 and 3.3.2.11 */
const OF_ID_TOKENS = ['nonce', 'at_hash', 'c_hash', 's_hash']

/**
 * Reads the claims of an access token, whose signature or introspection has shown that they are its issuer's. Pure.
 *
 * @param type `typ` of a JWT's header; `undefined` where there is none
 * @param now epoch seconds
 * @returns the token, or, as a text, why it is not acceptable; it says nothing of the user
 * @see RFC 9068 section 4, RFC 7662 section 2.2
 */
export function readAccessToken(
  claims: Claims,
  type: string | undefined,
  { issuer, names, kept }: TokenRules,
  now: number,
): PresentedToken | string {
  const { iss, aud, iat, jti } = claims
  if (iss !== issuer) return 'iss is another issuer'
  const fault = findKindFault(claims, type) ?? findTimeFault(claims, now)
  if (fault !== undefined) return fault
  const audience = readAudience(aud)
  if (!audience) return 'aud is missing or malformed'
  const scope = readScope(claims)
  if (!scope) return 'scope is malformed'
  const identity = readIdentity(claims, names, kept)
  if (!identity) return `${names.subject.join(' and ')} is missing`
  const { exp } = claims
  return {
    ...{ identity, audience, scope, clientId: readClient(claims) },
    tokenId: typeof jti === 'string' ? jti : '',
    issuedAt: typeof iat === 'number' ? iat : now,
    expiresAt: typeof exp === 'number' ? exp : Number.POSITIVE_INFINITY,
  }
}

/**
 * Why it is no bearer access token. An ID token may be for the same audience as an access token: at Entra ID both are for the application. Where the header does not say
 * which it is, the claims must.
 */
function findKindFault(claims: Claims, type: string | undefined): string | undefined {
  // Whoever steals it could use it here, against which its client has bound it to a key of its own.
  if (claims.cnf !== undefined) return 'is bound to a key of its client'
  if (type === 'at+jwt') return undefined
  const { typ, token_use: use, token_type: kind } = claims
  if (typeof typ === 'string' && typ !== 'Bearer') return 'typ is not Bearer'
  if (use !== undefined && !isOfAccess(use)) return 'token_use is not access'
  if (typeof kind === 'string' && !/^(bearer|access_token)$/i.test(kind))
    return 'token_type is not that of a bearer token'
  const isSaid = typ === 'Bearer' || isOfAccess(use)
  if (!isSaid && OF_ID_TOKENS.some(name => name in claims)) return 'is an ID token'
  // A machine's token at Entra ID has roles in its place.
  const isForAccess = 'scope' in claims || 'scp' in claims || claims.idtyp === 'app'
  return isSaid || isForAccess ? undefined : 'has no scope, so it may be no access token'
}

/** `token_use` as Cognito and as Ory Hydra write it. */
function isOfAccess(use: unknown): boolean {
  return use === 'access' || use === 'access_token'
}

function findTimeFault({ exp, nbf }: Claims, now: number): string | undefined {
  if (exp !== undefined && typeof exp !== 'number') return 'exp is malformed'
  if (exp !== undefined && exp <= now) return 'expired'
  if (nbf === undefined) return undefined
  if (typeof nbf !== 'number') return 'nbf is malformed'
  return nbf > now + CLOCK_TOLERANCE_SECONDS ? 'not good yet' : undefined
}

function readAudience(aud: unknown): string[] | undefined {
  const named = [aud].flat()
  return named.length > 0 && named.every(name => typeof name === 'string') ? named : undefined
}

/** A text in `scope` as the standard has it, or in `scp` (Entra ID), or a list (Okta). */
function readScope({ scope, scp }: Claims): Scope | undefined {
  const written = scope ?? scp ?? ''
  const text = Array.isArray(written) ? written.join(' ') : written
  return typeof text === 'string' ? parseScope(text) : undefined
}

/** As the standard calls it, or Entra ID (`azp`, `appid`) and Okta (`cid`) do. */
function readClient({ client_id, azp, appid, cid }: Claims): string {
  const named = [client_id, azp, appid, cid].find(name => typeof name === 'string')
  return typeof named === 'string' ? named : ''
}
