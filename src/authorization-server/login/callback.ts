import type { Context } from 'hono'
import type { PendingLogin } from '../../domain/authorization-request.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { LoginResult } from '../../upstream/provider.ts'
import type { AuthorizationServer } from '../context.ts'
import { setCorrelationId } from '../correlation.ts'
import { parseParameters } from '../parameters.ts'
import { asOAuthError, redirectToClient, renderFault } from '../responses.ts'
import type { GrantEnding } from '../tokens/grant-ending.ts'
import { createBrowserBinding } from './cookies.ts'
import { findDenial, renderDenial } from './denial.ts'
import { createLoginStart } from './login-start.ts'
import { openGrant } from './open-grant.ts'
import { createStepUp } from './step-up.ts'
import { renderAuthorizationUrl } from './try-again.ts'

type Completed = LoginResult & { outcome: 'completed' }

/**
 * Where the upstream sends the browser back to: takes the flow (once), checks that it is the browser that approved it, redeems the upstream's code, opens the grant, and
 * sends the client its own code.
 */
export function createCallbackEndpoint(server: AuthorizationServer, ending: GrantEnding) {
  const binding = createBrowserBinding(server.issuer, 'login')
  const startLogin = createLoginStart(server)
  const stepUp = createStepUp(server, ending)

  return async function callback(c: Context): Promise<Response> {
    const answer = parseParameters(new URL(c.req.url).search)
    const upstreamState = answer.get('state') ?? ''
    const pending = await server.store.authorizations.takePending(upstreamState)
    if (pending?.stage !== 'login') {
      return renderFault(server, c, 'sign-in-expired', {
        reason: 'upstreamState unknown, expired or used',
      })
    }
    setCorrelationId(c, pending.flowId)
    const { request } = pending
    if (!binding.take(c, upstreamState, pending.browserDigest)) {
      const { clientName } = request
      return renderFault(server, c, 'cookie-missing', {
        reason: 'callback without the cookie of its flow',
        clientName,
      })
    }
    const result = await completeLogin(
      server,
      pending,
      upstreamState,
      new URLSearchParams([...answer]),
    )
    try {
      return await goOn(c, pending, result)
    } catch (thrown) {
      abandonTokens(server, pending, result)
      // The flow is spent, so trying this page again would not help; the client can begin anew.
      return redirectToClient(server, c, request, asOAuthError(thrown, pending.flowId))
    }
  }

  async function goOn(c: Context, pending: PendingLogin, result: LoginResult): Promise<Response> {
    const { flowId, upstream, request } = pending
    const claims = await stepUp.findClaims(pending, result)
    if (claims !== undefined) return startLogin(c, { flowId, upstream, request, claims })
    if (result.outcome !== 'completed') return refuse(c, pending, result)
    const denial = findDenial(server, request.resource, result.identity)
    if (denial) return renderDenial(server, c, pending, result.identity, denial)
    await stepUp.settle(pending, result.identity)
    return redirectToClient(server, c, request, { code: await openGrant(server, pending, result) })
  }

  function refuse(
    c: Context,
    pending: PendingLogin,
    result: Exclude<LoginResult, Completed>,
  ): Response {
    const error = describeRefusal(result)
    const { clientId, clientName, resource } = pending.request
    const problem = result.outcome === 'refused' ? result.problem : result.failure.problem
    if (!problem) return redirectToClient(server, c, pending.request, error)
    // The client could only say that it failed; the person in front of the browser can do something about it.
    const retryUrl = renderAuthorizationUrl(server.issuer, pending.request, problem)
    return renderFault(server, c, problem, {
      ...{ reason: error.reason, retryUrl, clientId, clientName, resource },
    })
  }
}

function completeLogin(
  server: AuthorizationServer,
  pending: PendingLogin,
  upstreamState: string,
  answer: URLSearchParams,
): Promise<LoginResult> {
  const upstream = server.upstream(pending.upstream)
  if (!upstream) throw new RangeError(`no upstream is called ${pending.upstream}`)
  const { codeVerifier, nonce } = pending
  return upstream.completeLogin(answer, { upstreamState, codeVerifier, nonce })
}

/** Nobody will ever use them. The answer does not wait for it, and a failure is nobody's business but the log's. */
function abandonTokens(
  { upstream, logger }: AuthorizationServer,
  pending: PendingLogin,
  result: LoginResult,
): void {
  if (result.outcome !== 'completed') return
  const line = 'the upstream did not revoke the tokens of a login that failed here'
  upstream(pending.upstream)
    ?.abandon(result.tokens)
    .catch(err => logger.warn({ correlationId: pending.flowId, err }, line))
}

/** What an upstream's refusal or failure is to the client. Its own words stay in the log. */
function describeRefusal(result: Exclude<LoginResult, Completed>): OAuthError {
  if (result.outcome === 'refused') {
    const { error, description = '' } = result
    const reason = `upstream: ${error} ${description}`.trim()
    if (error === 'temporarily_unavailable' || error === 'server_error') {
      return new OAuthError('temporarily_unavailable', 'the sign-in service does not answer', {
        reason,
      })
    }
    return new OAuthError('access_denied', 'the sign-in service refused', { reason })
  }
  const { kind, error, status = '', description = '' } = result.failure
  const reason = `upstream: ${kind} ${error} ${status} ${description}`.trim()
  return kind === 'transient' || kind === 'ambiguous'
    ? new OAuthError('temporarily_unavailable', 'the sign-in service does not answer', {
        reason,
        cause: result.cause,
      })
    : new OAuthError('server_error', 'signing in failed', { reason, cause: result.cause })
}
