import type { Client } from '../../domain/client.ts'
import { type Grant, grantExpiresAt } from '../../domain/grant.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { OutageError } from '../../domain/outage.ts'
import { type RefreshToken, verifyRefreshToken } from '../../domain/refresh-token.ts'
import { findResource } from '../../domain/resource.ts'
import { isSubset, parseScope, type Scope } from '../../domain/scope.ts'
import type { RefreshGeneration } from '../../store/port.ts'
import type { AuthorizationServer } from '../context.ts'
import { type Parameters, requireParameter } from '../parameters.ts'
import type { GrantEnding } from './grant-ending.ts'
import { type IssuedTokens, issueTokens } from './issue-tokens.ts'
import { auditToken } from './token-audit.ts'

/**
 * Grant type `refresh_token`: the same client, the same resource, the same scope or less.
 *
 * @see RFC 6749 section 6, RFC 9700 section 4.14
 */
export function createRefreshGrant(server: AuthorizationServer, ending: GrantEnding) {
  return async function refresh(
    client: Client,
    parameters: Parameters,
    correlationId: string,
  ): Promise<IssuedTokens> {
    const token = verifyRefreshToken(server.ring, requireParameter(parameters, 'refresh_token'))
    if (!token) throw refusal('not a refresh token of ours')
    const grant = await findGrant(token, client, correlationId)
    checkResource(grant, parameters)
    const scope = narrowScope(server, grant, parameters)
    const expiresAt = grantExpiresAt(grant, server.lifetimes, server.now())
    const successor = await rotate(token, expiresAt, correlationId)
    auditToken(server, grant, scope, 'refresh_token', correlationId)
    return issueTokens(server, grant, successor, scope, expiresAt)
  }

  /** The grant, its upstream token renewed where that was due: a grant that is dead there must not be given tokens here. An upstream that is down does not matter. */
  async function findGrant(
    token: RefreshToken,
    client: Client,
    correlationId: string,
  ): Promise<Grant> {
    const grant = await server.store.grants.find(token.grantId)
    if (!grant) throw refusal('the grant was revoked or has expired')
    if (grant.clientId !== client.clientId) throw refusal('refresh token of another client')
    const fresh = await server.tokens.resolve(grant.grantId, correlationId)
    if (fresh.outcome === 'gone') throw refusal(`the grant is gone: ${fresh.reason}`)
    if (fresh.outcome === 'unavailable' && fresh.reason === 'store_outage') {
      throw new OutageError('store', 'the grant cannot be read')
    }
    // A copy of this process may be older than what the store has just said, and with it the grant's end.
    const isNewer = fresh.outcome === 'usable' && fresh.grant.version > grant.version
    return isNewer ? fresh.grant : grant
  }

  async function rotate(
    token: RefreshToken,
    expiresAt: number,
    correlationId: string,
  ): Promise<RefreshGeneration> {
    const { kid } = server.ring.current('refresh-token')
    const rotation = await server.store.grants.rotateRefreshToken(
      token.grantId,
      token,
      kid,
      expiresAt,
    )
    if (rotation.outcome === 'unknown') throw refusal('the grant was revoked or has expired')
    if (rotation.outcome === 'replayed') {
      await ending.endGrant(token.grantId, {
        reason: 'refresh token replayed',
        replayed: 'refresh_token',
        correlationId,
      })
      throw refusal('replayed refresh token')
    }
    return rotation.successor
  }
}

function checkResource(grant: Grant, parameters: Parameters): void {
  const resource = parameters.get('resource')
  if (resource !== undefined && !findResource(resource, [grant.resource])) {
    throw new OAuthError('invalid_target', 'the grant is for another resource')
  }
}

/** Less than the grant has is also what its scopes imply: whoever may write may ask for a token that only reads. */
function narrowScope(
  { resources }: Pick<AuthorizationServer, 'resources'>,
  grant: Grant,
  parameters: Parameters,
): Scope {
  const text = parameters.get('scope')
  if (text === undefined) return grant.scope
  const scope = parseScope(text)
  const known = resources.find(({ resource }) => resource === grant.resource)
  const widest = known?.scopes.expand(grant.scope) ?? grant.scope
  if (!scope || scope.length === 0 || !isSubset(scope, widest)) {
    throw new OAuthError('invalid_scope', 'a refresh cannot widen the scope')
  }
  return scope
}

function refusal(reason: string): OAuthError {
  return new OAuthError('invalid_grant', 'the refresh token cannot be redeemed', { reason })
}
