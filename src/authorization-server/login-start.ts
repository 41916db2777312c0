import type { Context } from 'hono'
import type { PendingConsent, PendingLogin } from '../domain/authorization-request.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import type { LoginStart } from '../upstream/provider.ts'
import type { AuthorizationServer } from './context.ts'
import { createBrowserBinding } from './cookies.ts'
import { correlationIdOf } from './correlation.ts'
import { redirectToClient } from './responses.ts'

type Approved = Pick<PendingConsent, 'request' | 'upstream' | 'flowId'>

/**
 * Sends the browser to the upstream, once its user has approved the request or needs not to. Only now does it get the cookie without which the callback is refused.
 */
export function createLoginStart(server: AuthorizationServer) {
  const binding = createBrowserBinding(server.issuer, 'login')

  return async function startLogin(
    c: Context,
    { request, upstream, flowId }: Approved,
  ): Promise<Response> {
    const start = await beginLogin(server, c, request, upstream)
    if (start instanceof OAuthError) return redirectToClient(server, c, request, start)
    const { loginSeconds } = server.lifetimes
    const { url, upstreamState, codeVerifier, nonce } = start
    const browserDigest = binding.bind(c, upstreamState, loginSeconds)
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
