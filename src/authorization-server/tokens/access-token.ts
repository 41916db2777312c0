import { jwtVerify, SignJWT } from 'jose'
import { JOSEError } from 'jose/errors'
import type { AccessTokenClaims } from '../../domain/access-token.ts'
import type { KeyRing } from '../../domain/key-ring.ts'
import { parseScope, renderScope } from '../../domain/scope.ts'
import { createId } from '../../domain/secret.ts'
import type { AccessTokens } from '../context.ts'

const TYPE = 'at+jwt'
const ALGORITHM = 'HS256'

/**
 * Access tokens: JWTs after RFC 9068, signed with a key of the ring, since this gateway is the only one that reads them. The audience is exactly one resource.
 *
 * @param now epoch seconds
 * @see RFC 9068 sections 2 and 4
 */
export function createAccessTokens(ring: KeyRing, issuer: string, now: () => number): AccessTokens {
  return {
    mint: claims => {
      const { kid, key } = ring.current('access-token')
      const { clientId, scope, grantId, subject, resource, issuedAt, expiresAt } = claims
      return new SignJWT({ client_id: clientId, scope: renderScope(scope), gid: grantId })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(resource)
        .setJti(createId())
        .setIssuedAt(Math.floor(issuedAt))
        .setExpirationTime(Math.floor(expiresAt))
        .sign(key)
    },
    verify: async token => {
      try {
        const { payload } = await jwtVerify(token, ({ kid }) => keyOf(ring, kid), {
          issuer,
          typ: TYPE,
          algorithms: [ALGORITHM],
          requiredClaims: ['aud', 'sub', 'exp', 'iat', 'jti', 'gid', 'client_id', 'scope'],
          currentDate: new Date(now() * 1000),
        })
        return readClaims(payload)
      } catch (error) {
        if (error instanceof JOSEError) return undefined
        throw error
      }
    },
  }
}

/** @param kid whatever a stranger's header has there */
function keyOf(ring: KeyRing, kid: unknown): Uint8Array {
  const derived = isText(kid) ? ring.find('access-token', kid) : undefined
  if (!derived) throw new JOSEError('no such key')
  return derived.key
}

function readClaims(payload: Record<string, unknown>): AccessTokenClaims | undefined {
  const { gid, client_id: clientId, sub, aud, scope: scopeText, jti, iat, exp } = payload
  const scope = typeof scopeText === 'string' ? parseScope(scopeText) : undefined
  if (!scope || !isText(gid) || !isText(clientId) || !isText(sub) || !isText(aud) || !isText(jti))
    return undefined
  if (typeof iat !== 'number' || typeof exp !== 'number') return undefined
  return {
    grantId: gid,
    clientId,
    subject: sub,
    resource: aud,
    scope,
    tokenId: jti,
    issuedAt: iat,
    expiresAt: exp,
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
