import type { Context } from 'hono'
import type { Client } from '../domain/client.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import { isSameSecret } from '../domain/secret.ts'
import { resolveClient } from './clients.ts'
import type { AuthorizationServer } from './context.ts'
import type { Parameters } from './parameters.ts'
import { deriveClientSecret } from './registered-client.ts'

type Credentials = { clientId: string; clientSecret: string | undefined }

/**
 * Who calls `/token`, `/revoke` or `/introspect`. Happens before anything that the request names is spent, so a stranger spends nothing.
 *
 * An unknown client is answered 401 `invalid_client`: that makes clients register anew.
 *
 * @throws OAuthError `invalid_client`
 * @see RFC 6749 section 2.3 and 5.2
 */
export async function authenticateClient(
  server: AuthorizationServer,
  c: Context,
  parameters: Parameters,
): Promise<Client> {
  const { clientId, clientSecret } = readCredentials(c, parameters)
  const client = await resolveClient(server, clientId)
  if (!client) throw new OAuthError('invalid_client', 'the client is unknown; register again')
  const expected =
    client.authMethod === 'none' ? undefined : deriveClientSecret(server.ring, clientId)
  if (expected === undefined && clientSecret === undefined) return client
  if (
    expected === undefined ||
    clientSecret === undefined ||
    !isSameSecret(clientSecret, expected)
  ) {
    throw new OAuthError('invalid_client', 'client authentication failed')
  }
  return client
}

/** Basic or form, not both. An empty secret is none: Go's client first sends Basic with an empty one, C#'s an empty form field. */
function readCredentials(c: Context, parameters: Parameters): Credentials {
  const inForm = parameters.get('client_id')
  const header = c.req.header('authorization')
  if (header === undefined) {
    if (inForm === undefined) throw new OAuthError('invalid_client', 'client_id is missing')
    return { clientId: inForm, clientSecret: parameters.get('client_secret') }
  }
  const basic = parseBasic(header)
  if (!basic) throw new OAuthError('invalid_client', 'the Authorization header is not Basic')
  if ((inForm !== undefined && inForm !== basic.clientId) || parameters.has('client_secret')) {
    throw new OAuthError('invalid_request', 'the client authenticates in more than one way')
  }
  return basic
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
