import type { AuthorizationCode } from '../../domain/authorization-request.ts'
import type { Client } from '../../domain/client.ts'
import { grantExpiresAt } from '../../domain/grant.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { isCodeVerifierOf } from '../../domain/pkce.ts'
import { findResource } from '../../domain/resource.ts'
import type { AuthorizationServer } from '../context.ts'
import { type Parameters, requireParameter } from '../parameters.ts'
import type { GrantEnding } from './grant-ending.ts'
import { type IssuedTokens, issueTokens } from './issue-tokens.ts'
import { auditToken } from './token-audit.ts'

/**
 * Grant type `authorization_code`.
 *
 * @see RFC 6749 section 4.1.3, RFC 7636 section 4.6, RFC 9700 section 2.1
 */
export function createCodeGrant(server: AuthorizationServer, ending: GrantEnding) {
  return async function redeemCode(
    client: Client,
    parameters: Parameters,
    correlationId: string,
  ): Promise<IssuedTokens> {
    const code = requireParameter(parameters, 'code')
    const redemption = await server.store.authorizations.takeCode(code)
    // Spent before PKCE is checked: a wrong verifier burns it, so a stolen code gives its thief one guess, and two replicas cannot both be checking the same one. Client
    // authentication came earlier, so a stranger burns nothing.
    if (redemption.outcome === 'unknown') throw refusal('unknown or expired code')
    if (redemption.outcome === 'replayed') {
      await ending.endGrant(redemption.grantId, {
        reason: 'authorization code replayed',
        replayed: 'authorization_code',
        correlationId,
      })
      throw refusal('replayed code')
    }
    const fault = findFault(redemption.code, client, parameters)
    if (fault !== undefined) {
      await ending.endGrant(redemption.code.grantId, {
        reason: `code refused: ${fault.reason}`,
        correlationId,
      })
      throw fault
    }
    return activate(redemption.code)
  }

  async function activate({ grantId, flowId }: AuthorizationCode): Promise<IssuedTokens> {
    const grant = await server.store.grants.find(grantId)
    if (!grant) throw refusal('the grant was revoked before its code was redeemed')
    const expiresAt = grantExpiresAt(grant, server.lifetimes, server.now())
    const first = { generation: 0, kid: server.ring.current('refresh-token').kid }
    if (!(await server.store.grants.activate(grantId, first, expiresAt))) {
      throw refusal('the grant was revoked while its code was redeemed')
    }
    auditToken(server, grant, grant.scope, 'authorization_code', flowId)
    return issueTokens(server, grant, first, grant.scope, expiresAt)
  }
}

/** Why a genuine code is not redeemed by this request; `undefined` where it is. @see RFC 6749 section 4.1.3, RFC 8707 section 2.2 */
function findFault(
  code: AuthorizationCode,
  client: Client,
  parameters: Parameters,
): OAuthError | undefined {
  if (code.clientId !== client.clientId) return refusal('code of another client')
  const redirectUri =
    parameters.get('redirect_uri') ?? (code.redirectUriImplied ? code.redirectUri : undefined)
  if (redirectUri !== code.redirectUri) return refusal('redirect_uri differs')
  if (!isCodeVerifierOf(code.codeChallenge, parameters.get('code_verifier') ?? ''))
    return refusal('code_verifier does not match')
  const resource = parameters.get('resource')
  if (resource !== undefined && !findResource(resource, [code.resource])) {
    return new OAuthError('invalid_target', 'the code is for another resource')
  }
  return undefined
}

function refusal(reason: string): OAuthError {
  return new OAuthError('invalid_grant', 'the code cannot be redeemed', { reason })
}
