import type { Context } from 'hono'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { authenticateClient } from '../clients/client-authentication.ts'
import type { AuthorizationServer } from '../context.ts'
import { correlationIdOf, setClient } from '../correlation.ts'
import { type Parameters, readForm, requireParameter } from '../parameters.ts'
import { createAssertionGrant, JWT_BEARER } from './assertion-grant.ts'
import {
  CLIENT_CREDENTIALS,
  createClientCredentialsGrant,
  findLoneClients,
} from './client-credentials-grant.ts'
import { createCodeGrant } from './code-grant.ts'
import type { GrantEnding } from './grant-ending.ts'
import type { IssuedTokens } from './issue-tokens.ts'
import { createRefreshGrant } from './refresh-grant.ts'

type GrantType = (
  client: Client,
  parameters: Parameters,
  correlationId: string,
) => Promise<IssuedTokens>

/** The token endpoint: one entry a grant type. @see RFC 6749 section 3.2 */
export function createTokenEndpoint(server: AuthorizationServer, ending: GrantEnding) {
  const grantTypes: ReadonlyMap<string, GrantType> = new Map<string, GrantType>([
    ['authorization_code', createCodeGrant(server, ending)],
    ['refresh_token', createRefreshGrant(server, ending)],
    ...extensionsOf(server),
  ])

  return async function token(c: Context): Promise<Response> {
    const parameters = await readForm(c)
    const client = await authenticateClient(server, c, parameters)
    setClient(c, client)
    const grantType = grantTypes.get(requireParameter(parameters, 'grant_type'))
    if (!grantType)
      throw new OAuthError('unsupported_grant_type', 'the grant type is not supported')
    const issued = await grantType(client, parameters, correlationIdOf(c))
    c.header('Cache-Control', 'no-store')
    c.header('Pragma', 'no-cache')
    return c.json(issued)
  }
}

/** Grant types of extensions, where they are configured. @see `describeAuthorizationServer`, which advertises them */
function* extensionsOf(server: AuthorizationServer): Generator<[string, GrantType]> {
  if (findLoneClients(server).length > 0)
    yield [CLIENT_CREDENTIALS, createClientCredentialsGrant(server)]
  if (server.enterpriseIssuers.size > 0) yield [JWT_BEARER, createAssertionGrant(server)]
}
