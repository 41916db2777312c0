import type { Grant } from '../../domain/grant.ts'
import type { Scope } from '../../domain/scope.ts'
import type { AuthorizationServer } from '../context.ts'

/**
 * Puts on record that a token was issued: by which grant type, for whom, which client, which resource, and with which scope, which may be less than the grant's.
 */
export function auditToken(
  { audit }: Pick<AuthorizationServer, 'audit'>,
  { grantId, clientId, clientName, resource, identity: { issuer, subject } }: Grant,
  scope: Scope,
  grantType: string,
  correlationId: string,
): void {
  audit({
    ...{ event: 'token', outcome: 'granted', reason: grantType, correlationId },
    ...{ grantId, clientId, clientName, issuer, subject, resource, scope },
  })
}
