import type { Context } from 'hono'
import { judgeIdentity } from '../../domain/access-rule.ts'
import type { PendingLogin } from '../../domain/authorization-request.ts'
import type { Identity } from '../../domain/grant.ts'
import type { AuthorizationServer } from '../context.ts'
import { renderFault } from '../responses.ts'

/** Why somebody may not use a resource, although the upstream has signed them in. */
export type Denial = { service: string; reason: string }

/** @returns `undefined` for whoever may use it */
export function findDenial(
  { resources }: Pick<AuthorizationServer, 'resources'>,
  resource: string,
  identity: Identity,
): Denial | undefined {
  const wanted = resources.find(candidate => candidate.resource === resource)
  if (!wanted?.allow) return undefined
  const decision = judgeIdentity(wanted.allow, identity)
  return decision.outcome === 'denied'
    ? { service: wanted.name, reason: decision.reason }
    : undefined
}

/**
 * Says who may not use what, to the person: to the client it would only be one more failure. Which rule it was stays in the audit log; the tokens that came with the login
 * are dropped. They are not revoked, since some upstreams would end the user's other grants with them.
 */
export function renderDenial(
  server: AuthorizationServer,
  c: Context,
  { request }: PendingLogin,
  { issuer, subject, email, name }: Identity,
  { service, reason }: Denial,
): Response {
  const { clientId, clientName, resource } = request
  const account = email ?? name ?? subject
  return renderFault(server, c, 'not-allowed', {
    reason,
    ...{ clientId, clientName, resource, issuer, subject, account, service },
  })
}
