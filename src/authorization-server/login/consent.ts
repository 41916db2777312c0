import type { Context } from 'hono'
import type { PendingConsent } from '../../domain/authorization-request.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { AuditEvent } from '../../observability/audit.ts'
import type { AuthorizationServer } from '../context.ts'
import { correlationIdOf, setCorrelationId } from '../correlation.ts'
import { readForm } from '../parameters.ts'
import { nameDestination } from '../refusal-audit.ts'
import { asOAuthError, redirectToClient, renderFault } from '../responses.ts'
import { createBrowserBinding } from './cookies.ts'
import { createLoginStart } from './login-start.ts'

/**
 * Where the consent form goes. Only after approval does the browser leave for the upstream.
 *
 * @see MCP security best practices, "Confused Deputy Problem"
 */
export function createConsentEndpoint(server: AuthorizationServer) {
  const pageBinding = createBrowserBinding(server.issuer, 'consent')
  const sendToUpstream = createLoginStart(server)

  return async function consent(c: Context): Promise<Response> {
    const form = await readForm(c)
    const origin = c.req.header('origin')
    if (origin !== undefined && origin !== server.issuer) {
      return renderFault(server, c, 'bad-request', {
        reason: 'consent form sent by another origin',
      })
    }
    const handle = form.get('consent') ?? ''
    const pending = await server.store.authorizations.takePending(handle)
    if (pending?.stage !== 'consent') {
      return renderFault(server, c, 'sign-in-expired', {
        reason: 'consent handle unknown, expired or used',
      })
    }
    setCorrelationId(c, pending.flowId)
    const { clientName } = pending.request
    if (!pageBinding.take(c, handle, pending.csrfDigest)) {
      return renderFault(server, c, 'cookie-missing', {
        reason: 'consent form without its cookie',
        clientName,
      })
    }
    if (form.get('decision') !== 'approve') return deny(c, pending)
    try {
      return await approve(c, pending)
    } catch (thrown) {
      // The handle is spent, so sending the form again would not help; the client can begin anew.
      return redirectToClient(server, c, pending.request, asOAuthError(thrown, pending.flowId))
    }
  }

  function deny(c: Context, { request }: PendingConsent): Response {
    return redirectToClient(
      server,
      c,
      request,
      new OAuthError('access_denied', 'the user denied access', { reason: 'denied by the user' }),
    )
  }

  function approve(c: Context, pending: PendingConsent): Promise<Response> {
    server.audit({ ...describe(c, pending.request), outcome: 'granted' })
    return sendToUpstream(c, pending)
  }
}

function describe(c: Context, request: PendingConsent['request']): Omit<AuditEvent, 'outcome'> {
  const { clientId, clientName, resource, scope, redirectUri } = request
  return {
    event: 'consent',
    correlationId: correlationIdOf(c),
    clientId,
    clientName,
    resource,
    scope,
    redirectHost: nameDestination(redirectUri),
  }
}
