import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { JOSEError } from 'jose/errors'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { ASSERTION_ALGORITHMS } from '../assertions/assertion-algorithms.ts'
import { verifyWithEachKey } from '../assertions/verify-with-each-key.ts'
import type { AuthorizationServer } from '../context.ts'

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** How far a client's clock may be from ours. */
const CLOCK_TOLERANCE_SECONDS = 60
/** The longest life of an assertion. Its id has to be remembered for as long. */
const MAX_LIFE_SECONDS = 15 * 60
const MAX_JTI_LENGTH = 256
/** No type, or one that says what it is. Another kind of JWT that the client signs must not pass for this one. @see RFC 8725 section 3.11 */
const TYPE = /^(application\/)?(jwt|client-authentication\+jwt|oauth-client-auth\+jwt)$/i

type Server = Pick<AuthorizationServer, 'issuer' | 'clients' | 'store' | 'now'>

/** The client that an assertion speaks for, not yet believed; `undefined` for what is no JWT. */
export function readAssertedClientId(assertion: string): string | undefined {
  try {
    const { sub } = decodeJwt(assertion)
    return typeof sub === 'string' ? sub : undefined
  } catch (error) {
    if (error instanceof JOSEError || error instanceof TypeError) return undefined
    throw error
  }
}

/**
 * Checks that the client has signed this assertion, for us, just now, and that it has not been used on any replica.
 *
 * @throws OAuthError `invalid_client`; `temporarily_unavailable` where the keys cannot be had now
 * @throws OutageError where the store cannot say whether it was used
 * @see RFC 7523 section 3
 */
export async function verifyClientAssertion(
  server: Server,
  client: Client,
  assertion: string,
): Promise<void> {
  const { jti, exp } = await verifySignatureAndClaims(server, client, assertion)
  if (exp === undefined || exp > server.now() + MAX_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS)
    throw refusal('exp is too far away')
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH)
    throw refusal('jti is empty or too long')
  const id = JSON.stringify(['client-assertion', client.clientId, jti])
  const isNew = await server.store.replay.markUsed(id, Math.ceil(exp) + CLOCK_TOLERANCE_SECONDS)
  if (!isNew) throw refusal('replayed')
}

async function verifySignatureAndClaims(
  server: Server,
  client: Client,
  assertion: string,
): Promise<JWTPayload> {
  if (!client.keys) throw refusal('the client has no keys')
  const { clientId, signingAlgorithm } = client
  const algorithms = ASSERTION_ALGORITHMS.filter(
    algorithm => signingAlgorithm === undefined || algorithm === signingAlgorithm,
  )
  const options = {
    algorithms,
    issuer: clientId,
    subject: clientId,
    requiredClaims: ['aud', 'exp', 'jti'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(server.now() * 1000),
  }
  try {
    checkType(assertion)
    const keys = server.clients.keys(client.keys)
    const payload = await verifyWithEachKey(assertion, keys, options)
    checkAudience(payload.aud, server.issuer)
    return payload
  } catch (error) {
    if (!(error instanceof JOSEError || error instanceof TypeError)) throw error
    throw refusal(error instanceof JOSEError ? error.code : 'malformed', error)
  }
}

function checkType(assertion: string): void {
  const { typ } = decodeProtectedHeader(assertion)
  if (typ !== undefined && !TYPE.test(typ)) throw refusal('typ is another one')
}

/**
 * Ours and nobody else's: an assertion that is meant for others too could have been used there first, by somebody who now brings it here.
 */
function checkAudience(audience: string | string[] | undefined, issuer: string): void {
  const ours = [issuer, `${issuer}/token`]
  const named = [audience ?? []].flat()
  if (named.length === 0 || !named.every(name => ours.includes(name)))
    throw refusal('aud is not, or not only, this server')
}

function refusal(reason: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_client', 'client authentication failed', {
    reason: `client assertion: ${reason}`,
    cause,
  })
}
