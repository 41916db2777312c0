import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { findResource } from '../../domain/resource.ts'
import { parseScope, type Scope } from '../../domain/scope.ts'
import {
  type IdentityAssertion,
  verifyIdentityAssertion,
} from '../assertions/identity-assertion.ts'
import type { AuthorizationServer, ProtectedResource } from '../context.ts'
import { chooseResource } from '../login/authorization-checks.ts'
import { type Parameters, requireParameter } from '../parameters.ts'
import { checkMayUse, issueWithoutLogin } from './grant-without-login.ts'
import type { IssuedTokens } from './issue-tokens.ts'
import { chooseScopeWithin } from './scope-within.ts'

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** How clients learn which assertions are taken. @see draft-ietf-oauth-identity-assertion-authz-grant-04 section 7.2 */
export const ID_JAG_PROFILE = 'urn:ietf:params:oauth:grant-profile:id-jag'

/**
 * Grant type `jwt-bearer` with an identity assertion of a configured identity provider (ID-JAG): who the user is, and that this client may act for them, is that
 * provider's decision. Only for clients that authenticate, since nobody is asked here.
 *
 * @see RFC 7523 section 2.1, draft-ietf-oauth-identity-assertion-authz-grant-04 section 4.4, MCP extension Enterprise-Managed Authorization
 */
export function createAssertionGrant(server: AuthorizationServer) {
  return async function redeemAssertion(
    client: Client,
    parameters: Parameters,
    correlationId: string,
  ): Promise<IssuedTokens> {
    const text = requireParameter(parameters, 'assertion')
    if (client.authMethod === 'none')
      throw new OAuthError('unauthorized_client', 'assertions are for clients that authenticate')
    const assertion = await verifyIdentityAssertion(server, client.clientId, text)
    const resource = chooseAssertedResource(assertion, parameters.get('resource'), server.resources)
    checkMayUse(resource, assertion.identity)
    const most = readMost(assertion, resource)
    const scope = chooseScopeWithin(parameters.get('scope'), most, resource.scopes)
    await spend(assertion)
    const { identity } = assertion
    return issueWithoutLogin(
      server,
      { client, identity, resource, scope },
      JWT_BEARER,
      correlationId,
    )
  }

  /** Last, so that a request that is refused for another reason can be mended and sent again. */
  async function spend({ identity, jti, usableUntil }: IdentityAssertion): Promise<void> {
    const id = JSON.stringify(['identity-assertion', identity.issuer, jti])
    if (await server.store.replay.markUsed(id, usableUntil)) return
    throw new OAuthError('invalid_grant', 'the assertion is not acceptable', {
      reason: 'identity assertion: replayed',
    })
  }
}

/** One of those that the assertion is for; the request says which, where they are several. */
function chooseAssertedResource(
  { resources: asserted }: IdentityAssertion,
  requested: string | undefined,
  resources: readonly ProtectedResource[],
): ProtectedResource {
  if (!asserted) return chooseResource(requested, resources)
  const named = resources.filter(({ resource }) =>
    asserted.some(name => findResource(name, [resource])),
  )
  if (named.length > 0) return chooseResource(requested, named)
  throw new OAuthError('invalid_target', 'the assertion is for another resource')
}

/** All that the identity provider lets this client do for this user. */
function readMost({ scope }: IdentityAssertion, { scopes }: ProtectedResource): Scope {
  if (scope === undefined) return scopes.defaults
  const asserted = parseScope(scope)
  if (!asserted) throw new OAuthError('invalid_scope', 'the scope of the assertion is malformed')
  return asserted
}
