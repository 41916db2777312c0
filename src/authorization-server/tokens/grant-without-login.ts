import { judgeIdentity } from '../../domain/access-rule.ts'
import type { Client } from '../../domain/client.ts'
import { type Grant, grantExpiresAt, type Identity, NO_UPSTREAM } from '../../domain/grant.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { Scope } from '../../domain/scope.ts'
import { createId } from '../../domain/secret.ts'
import type { AuthorizationServer, ProtectedResource } from '../context.ts'
import { type IssuedTokens, issueAccessToken } from './issue-tokens.ts'
import { auditToken } from './token-audit.ts'

/** What a token without a login is issued for. */
export type Entitlement = {
  client: Client
  identity: Identity
  resource: ProtectedResource
  scope: Scope
}

/**
 * Nobody signs in, so there is no token of the upstream, and no page that could say who may not use what.
 *
 * @throws OAuthError `invalid_target` where the backend needs somebody who signed in, `invalid_grant` for an identity that may not use it
 */
export function checkMayUse(
  { resource, needsLogin, allow }: ProtectedResource,
  identity: Identity,
): void {
  if (needsLogin) {
    throw new OAuthError('invalid_target', 'the resource is for people who sign in', {
      reason: `${resource} gets tokens of the upstream`,
    })
  }
  const decision = allow && judgeIdentity(allow, identity)
  if (decision?.outcome !== 'denied') return
  const { reason } = decision
  throw new OAuthError('invalid_grant', 'this identity may not use the resource', { reason })
}

/**
 * Opens a grant that ends with its only access token. There is no refresh token: what the client has shown, it can show again.
 *
 * @see RFC 6749 section 4.4.3, RFC 7521 section 4.1
 */
export async function issueWithoutLogin(
  server: AuthorizationServer,
  { client, identity, resource, scope }: Entitlement,
  grantType: string,
  correlationId: string,
): Promise<IssuedTokens> {
  const { clientId, clientName } = client
  const now = Math.floor(server.now())
  const grant: Grant = {
    grantId: createId(),
    clientId,
    clientName,
    upstream: NO_UPSTREAM,
    identity,
    resource: resource.resource,
    scope,
    openedAt: now,
    upstreamTokens: {
      accessToken: '',
      issuedAt: now,
      expiresAt: now + server.lifetimes.accessTokenSeconds,
    },
    version: 0,
  }
  const expiresAt = grantExpiresAt(grant, server.lifetimes, now)
  await server.store.grants.open(grant, expiresAt)
  auditToken(server, grant, scope, grantType, correlationId)
  return issueAccessToken(server, grant, scope, expiresAt)
}
