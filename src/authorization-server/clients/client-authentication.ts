import type { Context } from 'hono'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { digest, isSameSecret } from '../../domain/secret.ts'
import type { AuthorizationServer } from '../context.ts'
import { type Parameters, requireParameter } from '../parameters.ts'
import { ASSERTION_TYPE, readAssertedClientId, verifyClientAssertion } from './client-assertion.ts'
import { resolveClient } from './clients.ts'
import { deriveClientSecret } from './registered-client.ts'

type Credentials = {
  clientId: string
  clientSecret?: string | undefined
  assertion?: string | undefined
}

/**
 * Who calls `/token`, `/revoke` or `/introspect`. Happens before anything that the request names is spent, so a stranger spends nothing.
 *
 * An unknown client is answered 401 `invalid_client`: that makes clients register anew.
 *
 * @throws OAuthError `invalid_client`
 * @see RFC 6749 section 2.3 and 5.2, RFC 7523 section 2.2
 */
export async function authenticateClient(
  server: AuthorizationServer,
  c: Context,
  parameters: Parameters,
): Promise<Client> {
  const { clientId, clientSecret, assertion } = readCredentials(c, parameters)
  const client = await resolveClient(server, clientId)
  if (!client) throw new OAuthError('invalid_client', 'the client is unknown; register again')
  if (assertion !== undefined) await verifyClientAssertion(server, client, assertion)
  else if (!isProvenBySecret(server, client, clientSecret))
    throw new OAuthError('invalid_client', 'client authentication failed')
  return client
}

/** Whether the secret is the client's, or is missing where the client needs none. */
function isProvenBySecret(
  { ring }: AuthorizationServer,
  { clientId, authMethod, secretDigest }: Client,
  presented: string | undefined,
): boolean {
  if (authMethod === 'none' || presented === undefined)
    return authMethod === 'none' && presented === undefined
  if (secretDigest !== undefined) return isSameSecret(digest(presented), secretDigest)
  const expected = deriveClientSecret(ring, clientId)
  return expected !== undefined && isSameSecret(presented, expected)
}

/** Basic, form or assertion, only one of them. An empty secret is none: Go's client first sends Basic with an empty one, C#'s an empty form field. */
function readCredentials(c: Context, parameters: Parameters): Credentials {
  const inForm = parameters.get('client_id')
  const clientSecret = parameters.get('client_secret')
  const assertion = parameters.get('client_assertion')
  const header = c.req.header('authorization')
  if (assertion !== undefined) {
    if (header !== undefined || clientSecret !== undefined) throw severalWays()
    return { assertion, clientId: readAssertingClient(assertion, inForm, parameters) }
  }
  if (header === undefined) {
    if (inForm === undefined) throw new OAuthError('invalid_client', 'client_id is missing')
    return { clientId: inForm, clientSecret }
  }
  const basic = parseBasic(header)
  if (!basic) throw new OAuthError('invalid_client', 'the Authorization header is not Basic')
  if ((inForm !== undefined && inForm !== basic.clientId) || clientSecret !== undefined)
    throw severalWays()
  return basic
}

/** @see RFC 7521 section 4.2 */
function readAssertingClient(
  assertion: string,
  inForm: string | undefined,
  parameters: Parameters,
): string {
  if (requireParameter(parameters, 'client_assertion_type') !== ASSERTION_TYPE)
    throw new OAuthError('invalid_request', 'client_assertion_type is not supported')
  const asserted = readAssertedClientId(assertion)
  if (asserted === undefined || (inForm !== undefined && inForm !== asserted))
    throw new OAuthError('invalid_client', 'client authentication failed', {
      reason: 'client assertion: sub is missing or is not client_id',
    })
  return asserted
}

function severalWays(): OAuthError {
  return new OAuthError('invalid_request', 'the client authenticates in more than one way')
}

/** The standard wants both halves form-encoded; many send them raw. Our ids and secrets read the same either way. */
function parseBasic(header: string): Credentials | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1]
  if (!encoded) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  const clientSecret = decodeFormValue(text.slice(colon + 1))
  return {
    clientId: decodeFormValue(text.slice(0, colon)),
    clientSecret: clientSecret === '' ? undefined : clientSecret,
  }
}

function decodeFormValue(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
