import { decodeJwt, type JWTPayload } from 'jose'
import { JOSEError } from 'jose/errors'
import { claimsOf } from '../../domain/access-rule.ts'
import type { Identity } from '../../domain/grant.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { readIdentity, STANDARD_CLAIMS } from '../../upstream/identity.ts'
import type { AuthorizationServer, ProtectedResource } from '../context.ts'
import { ASSERTION_ALGORITHMS } from './assertion-algorithms.ts'
import type { EnterpriseIssuer } from './enterprise-issuer.ts'
import { verifyWithEachKey } from './verify-with-each-key.ts'

/** How far an identity provider's clock may be from ours. */
const CLOCK_TOLERANCE_SECONDS = 60
/** The longest life of an assertion. Its id has to be remembered for as long. */
const MAX_LIFE_SECONDS = 3600
const MAX_JTI_LENGTH = 256
const TYPE = 'oauth-id-jag+jwt'

/** What an assertion says, and its issuer stands for. */
export type IdentityAssertion = {
  identity: Identity
  /** The resources that it is for; any where it names none. */
  resources: readonly string[] | undefined
  scope: string | undefined
  jti: string
  /** Epoch seconds after which nobody could use it any more. */
  usableUntil: number
}

type Server = Pick<AuthorizationServer, 'issuer' | 'resources' | 'enterpriseIssuers' | 'now'>

/**
 * Checks that a known identity provider has signed this assertion, for us and for this client, and that its time is now. Whether it was used before is not checked here.
 *
 * @throws OAuthError `invalid_grant`; `temporarily_unavailable` where the keys cannot be had now
 * @see RFC 7523 section 3, draft-ietf-oauth-identity-assertion-authz-grant-04 section 4.4.1
 */
export async function verifyIdentityAssertion(
  server: Server,
  clientId: string,
  assertion: string,
): Promise<IdentityAssertion> {
  const from = findIssuer(server, assertion)
  if (from.clients && !from.clients.includes(clientId)) throw refusal('not for this client')
  const payload = await verifySignatureAndClaims(server, from, assertion)
  checkTimes(payload, server.now())
  if (payload.client_id !== clientId) throw refusal('client_id is another client')
  const { jti, exp = 0, scope } = payload
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH)
    throw refusal('jti is empty or too long')
  const identity = readIdentity(payload, STANDARD_CLAIMS, server.resources.flatMap(claimsWanted))
  if (!identity) throw refusal('sub is empty')
  if (scope !== undefined && typeof scope !== 'string') throw refusal('scope is no text')
  const usableUntil = Math.ceil(exp) + CLOCK_TOLERANCE_SECONDS
  return { identity, resources: readResources(payload.resource), scope, jti, usableUntil }
}

function claimsWanted({ allow }: ProtectedResource): string[] {
  return allow ? claimsOf(allow) : []
}

/** Not yet believed: it only says whose keys to try. */
function findIssuer({ enterpriseIssuers }: Server, assertion: string): EnterpriseIssuer {
  const { iss } = whileReading(() => decodeJwt(assertion))
  const issuer = iss === undefined ? undefined : enterpriseIssuers.get(iss)
  if (!issuer) throw refusal('iss is not among the issuers')
  return issuer
}

async function verifySignatureAndClaims(
  { issuer: audience, now }: Server,
  { issuer, keys }: EnterpriseIssuer,
  assertion: string,
): Promise<JWTPayload> {
  const options = {
    algorithms: ASSERTION_ALGORITHMS,
    issuer,
    typ: TYPE,
    requiredClaims: ['exp', 'iat'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(now() * 1000),
  }
  try {
    const payload = await verifyWithEachKey(assertion, keys, options)
    checkAudience(payload.aud, audience)
    return payload
  } catch (error) {
    throw asRefusal(error)
  }
}

/** Ours and nobody else's: with an assertion that is for others too, each of them could come here. */
function checkAudience(audience: string | string[] | undefined, issuer: string): void {
  const named = [audience ?? []].flat()
  if (named.length === 0 || !named.every(name => name === issuer))
    throw refusal('aud is not, or not only, this server')
}

function checkTimes({ iat = 0, exp = 0 }: JWTPayload, now: number): void {
  if (iat > now + CLOCK_TOLERANCE_SECONDS) throw refusal('iat is in the future')
  if (exp > now + MAX_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS) throw refusal('exp is too far away')
}

function readResources(resource: unknown): readonly string[] | undefined {
  if (resource === undefined) return undefined
  const named = [resource].flat()
  if (named.length > 0 && named.every(name => typeof name === 'string')) return named
  throw refusal('resource is neither a text nor a list of texts')
}

function whileReading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw asRefusal(error)
  }
}

function asRefusal(error: unknown): unknown {
  if (!(error instanceof JOSEError || error instanceof TypeError)) return error
  return refusal(error instanceof JOSEError ? error.code : 'malformed', error)
}

function refusal(reason: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_grant', 'the assertion is not acceptable', {
    reason: `identity assertion: ${reason}`,
    cause,
  })
}
