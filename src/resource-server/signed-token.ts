import { decodeJwt, decodeProtectedHeader, type JWTVerifyGetKey } from 'jose'
import { JOSEError, JWTClaimValidationFailed } from 'jose/errors'
import { ASSERTION_ALGORITHMS } from '../authorization-server/assertions/assertion-algorithms.ts'
import { verifyWithEachKey } from '../authorization-server/assertions/verify-with-each-key.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import { CLOCK_TOLERANCE_SECONDS, readAccessToken, type TokenRules } from './access-token.ts'
import { refused, unavailable, type Verification, type VerifyPresented } from './verification.ts'

/** Types under which vendors issue access tokens; some leave the type out. */
const TYPES: readonly (string | undefined)[] = ['at+jwt', 'jwt', undefined]

/** How long the keys may be away before a client should come again. */
const RETRY_AFTER_SECONDS = 5

/**
 * Verifies access tokens that are JWTs, by the keys that their issuer publishes: signatures of private keys only.
 *
 * @param keys throws jose's errors where there is no such key, and `OAuthError` where the keys cannot be had now
 * @param now epoch seconds
 * @see RFC 9068 section 4
 */
export function createSignedTokens(
  keys: JWTVerifyGetKey,
  rules: TokenRules,
  now: () => number,
): VerifyPresented {
  return async token => {
    try {
      const type = typeOf(token)
      if (!TYPES.includes(type)) return refused('typ is not that of an access token')
      // Before its key is looked for: tokens from elsewhere must not make us fetch keys again and again.
      if (decodeJwt(token).iss !== rules.issuer) return refused('iss is another issuer')
      const claims = await verifyWithEachKey(token, keys, {
        algorithms: ASSERTION_ALGORITHMS,
        issuer: rules.issuer,
        requiredClaims: ['exp', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(now() * 1000),
      })
      const read = readAccessToken(claims, type, rules, now())
      if (typeof read === 'string') return refused(read)
      return { outcome: 'genuine', token: read, goodUntil: read.expiresAt }
    } catch (error) {
      return describe(error)
    }
  }
}

/** In lower case, without the `application/` that it may begin with. @see RFC 7515 section 4.1.9 */
function typeOf(token: string): string | undefined {
  return decodeProtectedHeader(token)
    .typ?.toLowerCase()
    .replace(/^application\//, '')
}

function describe(error: unknown): Verification {
  if (error instanceof OAuthError) {
    return unavailable(error.reason ?? error.description, RETRY_AFTER_SECONDS)
  }
  if (error instanceof JWTClaimValidationFailed) return refused(`${error.claim} is not acceptable`)
  if (error instanceof JOSEError) return refused(error.code.toLowerCase())
  if (error instanceof TypeError) return refused('not a JWT')
  throw error
}
