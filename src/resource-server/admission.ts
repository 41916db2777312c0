import type { AccessTokenClaims } from '../domain/access-token.ts'
import { type Admission, type Admit, parseBearer } from '../proxy/admission.ts'
import type { PresentedTokens } from './presented-tokens.ts'
import type { VerifyPresented } from './verification.ts'

const UNAUTHENTICATED: Admission = { outcome: 'unauthenticated' }
const MALFORMED: Admission = { outcome: 'invalid-token', reason: 'malformed bearer token' }
const FOREIGN: Admission = { outcome: 'invalid-token', reason: 'issued for another audience' }

/**
 * Admits whoever brings an access token of the external authorization server that is for the resource. A token is verified once per process, and again only where its
 * verification says so.
 */
export function createExternalAdmission(
  verify: VerifyPresented,
  presented: PresentedTokens,
): Admit {
  return {
    peek(authorization, resource) {
      if (authorization === undefined) return UNAUTHENTICATED
      const claims = presented.find(authorization)
      return claims && judge(claims, resource)
    },

    async resolve(authorization = '', resource) {
      const credentials = parseBearer(authorization)
      if (credentials.outcome === 'absent') return UNAUTHENTICATED
      if (credentials.outcome === 'malformed') return MALFORMED
      const { token } = credentials
      const verified = await verify(token)
      if (verified.outcome === 'unavailable') return verified
      if (verified.outcome === 'genuine') {
        return judge(presented.remember(authorization, token, verified), resource)
      }
      presented.forget(authorization)
      return { outcome: 'invalid-token', reason: verified.reason }
    },
  }
}

function judge(claims: ReadonlyMap<string, AccessTokenClaims>, resource: string): Admission {
  const ofResource = claims.get(resource)
  return ofResource ? { outcome: 'admitted', claims: ofResource } : FOREIGN
}
