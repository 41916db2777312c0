import type { Context } from 'hono'
import type { PendingConsent, PendingLogin } from '../domain/authorization-request.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import { describeRedirectUri } from '../domain/redirect-uri.ts'
import type { AuditEvent } from '../observability/audit.ts'
import type { LoginStart } from '../upstream/provider.ts'
import type { AuthorizationServer } from './context.ts'
import { createBrowserBinding } from './cookies.ts'
import { correlationIdOf, setCorrelationId } from './correlation.ts'
import { readForm } from './parameters.ts'
import { asOAuthError, redirectToClient, renderFault } from './responses.ts'

/**
 * Where the consent form goes. Only after approval does the browser get the cookie without which the callback is refused, and only then does it leave for the upstream.
 *
 * @see MCP security best practices, "Confused Deputy Problem"
 */
export function createConsentEndpoint(server: AuthorizationServer) {
  const pageBinding = createBrowserBinding(server.issuer, 'consent')
  const loginBinding = createBrowserBinding(server.issuer, 'login')

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
    server.audit({ ...describe(c, request), outcome: 'denied', reason: 'denied by the user' })
    return redirectToClient(
      server,
      c,
      request,
      new OAuthError('access_denied', 'the user denied access'),
    )
  }

  async function approve(
    c: Context,
    { request, upstream, flowId }: PendingConsent,
  ): Promise<Response> {
    server.audit({ ...describe(c, request), outcome: 'granted' })
    const start = await beginLogin(server, c, request, upstream)
    if (start instanceof OAuthError) return redirectToClient(server, c, request, start)
    const { loginSeconds } = server.lifetimes
    const { url, upstreamState, codeVerifier, nonce } = start
    const browserDigest = loginBinding.bind(c, upstreamState, loginSeconds)
    const login: PendingLogin = {
      stage: 'login',
      flowId,
      upstream,
      request,
      browserDigest,
      codeVerifier,
      nonce,
    }
    await server.store.authorizations.park(upstreamState, login, loginSeconds)
    c.header('Cache-Control', 'no-store')
    return c.redirect(url, 303)
  }
}

async function beginLogin(
  server: AuthorizationServer,
  c: Context,
  { prompt, loginHint }: PendingConsent['request'],
  upstreamName: string,
): Promise<LoginStart | OAuthError> {
  const hints = {
    ...(prompt !== undefined && { prompt }),
    ...(loginHint !== undefined && { loginHint }),
  }
  try {
    const upstream = server.upstream(upstreamName)
    if (!upstream) throw new RangeError(`no upstream is called ${upstreamName}`)
    return await upstream.beginLogin(hints)
  } catch (cause) {
    server.logger.error(
      { correlationId: correlationIdOf(c), err: cause },
      'the upstream cannot be discovered',
    )
    return new OAuthError('temporarily_unavailable', 'the sign-in service does not answer', {
      cause,
    })
  }
}

function describe(c: Context, request: PendingConsent['request']): Omit<AuditEvent, 'outcome'> {
  const { clientId, clientName, resource, scope, redirectUri } = request
  const destination = describeRedirectUri(redirectUri)
  return {
    event: 'consent',
    correlationId: correlationIdOf(c),
    clientId,
    clientName,
    resource,
    scope,
    redirectHost: destination.kind === 'app' ? `${destination.scheme}:` : destination.host,
  }
}
