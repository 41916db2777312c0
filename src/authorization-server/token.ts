import type { Context } from 'hono'
import type { Client } from '../domain/client.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import { authenticateClient } from './client-authentication.ts'
import { createCodeGrant } from './code-grant.ts'
import type { AuthorizationServer } from './context.ts'
import { correlationIdOf, setClient } from './correlation.ts'
import type { GrantEnding } from './grant-ending.ts'
import type { IssuedTokens } from './issue-tokens.ts'
import { type Parameters, readForm, requireParameter } from './parameters.ts'
import { createRefreshGrant } from './refresh-grant.ts'

type GrantType = (
  client: Client,
  parameters: Parameters,
  correlationId: string,
) => Promise<IssuedTokens>

/** The token endpoint: one entry a grant type. @see RFC 6749 section 3.2 */
export function createTokenEndpoint(server: AuthorizationServer, ending: GrantEnding) {
  const grantTypes: ReadonlyMap<string, GrantType> = new Map([
    ['authorization_code', createCodeGrant(server, ending)],
    ['refresh_token', createRefreshGrant(server, ending)],
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
