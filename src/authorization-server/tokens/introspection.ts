import type { Context } from 'hono'
import type { AccessTokenClaims } from '../../domain/access-token.ts'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { renderScope } from '../../domain/scope.ts'
import { authenticateClient } from '../clients/client-authentication.ts'
import type { AuthorizationServer } from '../context.ts'
import { readForm, requireParameter } from '../parameters.ts'

/** Who may introspect; without anybody, there is no endpoint. */
export function findIntrospectors({ clients }: Pick<AuthorizationServer, 'clients'>): Client[] {
  return [...clients.preregistered.values()].filter(({ mayIntrospect }) => mayIntrospect)
}

/**
 * The introspection endpoint, for those clients of the configuration that may ask: they learn about any access token of this gateway. Whatever else is asked about, a
 * refresh token too, is not active: only `/token` has a use for one.
 *
 * @see RFC 7662 section 2
 */
export function createIntrospectionEndpoint(server: AuthorizationServer) {
  return async function introspect(c: Context): Promise<Response> {
    const parameters = await readForm(c)
    checkPermission(await authenticateClient(server, c, parameters))
    const claims = await server.accessTokens.verify(requireParameter(parameters, 'token'))
    c.header('Cache-Control', 'no-store')
    return c.json(claims && (await isLive(claims)) ? describe(server.issuer, claims) : INACTIVE)
  }

  /** A token says when it ends; only the store knows that its grant ended before. */
  async function isLive({ grantId }: AccessTokenClaims): Promise<boolean> {
    const grant = await server.store.grants.find(grantId)
    return grant !== undefined && grant.dead === undefined
  }
}

const INACTIVE = { active: false }

function checkPermission({ authMethod, mayIntrospect }: Client): void {
  if (authMethod === 'none') {
    throw new OAuthError('invalid_client', 'introspection is not for public clients')
  }
  if (!mayIntrospect) {
    throw new OAuthError('unauthorized_client', 'this client may not introspect', { status: 403 })
  }
}

function describe(issuer: string, claims: AccessTokenClaims): Record<string, unknown> {
  return {
    active: true,
    token_type: 'Bearer',
    client_id: claims.clientId,
    scope: renderScope(claims.scope),
    sub: claims.subject,
    aud: claims.resource,
    iss: issuer,
    jti: claims.tokenId,
    iat: claims.issuedAt,
    exp: claims.expiresAt,
  }
}
