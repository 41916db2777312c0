import type { Context } from 'hono'
import type { PendingLogin } from '../../domain/authorization-request.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { LoginStart } from '../../upstream/provider.ts'
import type { AuthorizationServer } from '../context.ts'
import { correlationIdOf } from '../correlation.ts'
import { redirectToClient } from '../responses.ts'
import { createBrowserBinding } from './cookies.ts'

/** A request that its user has approved, or needs not to. */
type Approved = Pick<PendingLogin, 'flowId' | 'upstream' | 'request' | 'claims'>

/**
 * Sends the browser to the upstream, with the cookie without which the callback is refused. Where the upstream cannot be discovered, back to the client.
 */
export function createLoginStart(server: AuthorizationServer) {
  const binding = createBrowserBinding(server.issuer, 'login')

  return async function startLogin(c: Context, approved: Approved): Promise<Response> {
    const start = await beginLogin(server, c, approved)
    if (start instanceof OAuthError) return redirectToClient(server, c, approved.request, start)
    const { loginSeconds } = server.lifetimes
    const { url, upstreamState, codeVerifier, nonce } = start
    const browserDigest = binding.bind(c, upstreamState, loginSeconds)
    const { flowId, upstream, request, claims } = approved
    const login: PendingLogin = {
      ...{ stage: 'login', flowId, upstream, request, browserDigest, codeVerifier, nonce },
      ...(claims !== undefined && { claims }),
    }
    await server.store.authorizations.park(upstreamState, login, loginSeconds)
    c.header('Cache-Control', 'no-store')
    return c.redirect(url, 303)
  }
}

async function beginLogin(
  server: AuthorizationServer,
  c: Context,
  { upstream: upstreamName, request, claims }: Approved,
): Promise<LoginStart | OAuthError> {
  const { prompt, loginHint } = request
  const hints = {
    // Begun anew for claims, the login asks for them and for nothing that its user has done a moment ago.
    ...(prompt !== undefined && claims === undefined && { prompt }),
    ...(loginHint !== undefined && { loginHint }),
    ...(claims !== undefined && { claims }),
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
