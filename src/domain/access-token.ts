import type { Scope } from './scope.ts'

/**
 * What an access token of ours says. The gateway is its only reader: it is minted at `/token`, and verified by the proxy and the endpoints that take one.
 *
 * @see RFC 9068 section 2.2
 */
export type AccessTokenClaims = {
  grantId: string
  clientId: string
  subject: string
  /** The one resource it opens, exactly as in the protected resource metadata. */
  resource: string
  scope: Scope
  /** `jti` */
  tokenId: string
  /** Epoch seconds. */
  issuedAt: number
  /** Epoch seconds. */
  expiresAt: number
}

/**
 * Answers the claims of a genuine, unexpired access token, and `undefined` for anything else: another type, another issuer, a wrong signature, a text that is no token
 * at all. Never throws for what a stranger sent.
 */
export type VerifyAccessToken = (token: string) => Promise<AccessTokenClaims | undefined>
