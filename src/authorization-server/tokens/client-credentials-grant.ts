import type { Client } from '../../domain/client.ts'
import type { Identity } from '../../domain/grant.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { AuthorizationServer } from '../context.ts'
import { chooseResource } from '../login/authorization-checks.ts'
import type { Parameters } from '../parameters.ts'
import { checkMayUse, issueWithoutLogin } from './grant-without-login.ts'
import type { IssuedTokens } from './issue-tokens.ts'
import { chooseScopeWithin } from './scope-within.ts'

export const CLIENT_CREDENTIALS = 'client_credentials'

/** Who may act alone; without anybody, the grant type is not supported. */
export function findLoneClients({ clients }: Pick<AuthorizationServer, 'clients'>): Client[] {
  return [...clients.preregistered.values()].filter(({ mayActAlone }) => mayActAlone)
}

/**
 * Grant type `client_credentials`, for those clients of the configuration that may act alone. The client is its own subject, and this gateway the one that vouches for it.
 *
 * @see RFC 6749 section 4.4, MCP extension OAuth Client Credentials
 */
export function createClientCredentialsGrant(server: AuthorizationServer) {
  return async function actAlone(
    client: Client,
    parameters: Parameters,
    correlationId: string,
  ): Promise<IssuedTokens> {
    if (!client.mayActAlone || client.authMethod === 'none')
      throw new OAuthError('unauthorized_client', 'this client acts for people only')
    const resource = chooseResource(parameters.get('resource'), server.resources)
    const identity = describeMachine(server.issuer, client)
    checkMayUse(resource, identity)
    const most = client.defaultScope ?? resource.scopes.defaults
    const scope = chooseScopeWithin(parameters.get('scope'), most, resource.scopes)
    const entitlement = { client, identity, resource, scope }
    return issueWithoutLogin(server, entitlement, CLIENT_CREDENTIALS, correlationId)
  }
}

/** A machine has no groups; a rule about the claim `client_id` can let it in by name. */
function describeMachine(issuer: string, { clientId }: Client): Identity {
  return { issuer, subject: clientId, claims: { client_id: clientId } }
}
