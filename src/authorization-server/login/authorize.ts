import type { Context } from 'hono'
import type { AuthorizationRequest, PendingConsent } from '../../domain/authorization-request.ts'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { isRegisteredRedirectUri } from '../../domain/redirect-uri.ts'
import { createSecret } from '../../domain/secret.ts'
import { renderConsent } from '../../http/pages/consent.ts'
import { resolveClient } from '../clients/clients.ts'
import type { AuthorizationServer, ProtectedResource } from '../context.ts'
import { correlationIdOf } from '../correlation.ts'
import { checkNotRepeated, type Parameters, readFormText, sortParameters } from '../parameters.ts'
import { renderFault, renderPageResponse } from '../responses.ts'
import { checkAuthorizationRequest } from './authorization-checks.ts'
import { createBrowserBinding } from './cookies.ts'
import { answerEarlyError } from './early-error.ts'
import { createLoginStart } from './login-start.ts'

/**
 * The authorization endpoint: verifies client and redirect URI (until then every error is a page for a person), checks the request, and asks its user.
 *
 * @see RFC 6749 section 3.1
 */
export function createAuthorizeEndpoint(server: AuthorizationServer) {
  const askUser = createQuestion(server)
  const sendToUpstream = createLoginStart(server)

  return async function authorize(c: Context): Promise<Response> {
    const sorted = sortParameters(await readParameters(c))
    checkNotRepeated(sorted, ['client_id', 'redirect_uri'])
    const { parameters } = sorted
    const client = await resolveClient(server, parameters.get('client_id') ?? '')
    if (!client) return renderFault(server, c, 'unknown-client', { reason: 'unknown client' })
    const { clientName } = client
    const redirectUri = chooseRedirectUri(client, parameters)
    if (redirectUri === undefined) {
      return renderFault(server, c, 'bad-redirect-uri', {
        reason: 'redirect_uri not registered',
        clientName,
      })
    }
    const state = parameters.get('state')
    try {
      checkNotRepeated(sorted)
      return await proceed(c, client, redirectUri, parameters)
    } catch (thrown) {
      if (!(thrown instanceof OAuthError)) throw thrown
      return answerEarlyError(server, c, client, { redirectUri, state }, thrown)
    }
  }

  async function proceed(
    c: Context,
    client: Client,
    redirectUri: string,
    parameters: Parameters,
  ): Promise<Response> {
    const { request, resource } = checkAuthorizationRequest(
      client,
      redirectUri,
      parameters,
      server.resources,
    )
    if (!isTrusted(client, request)) return askUser(c, client, request, resource)
    const { upstream } = resource
    return sendToUpstream(c, { request, upstream, flowId: correlationIdOf(c) })
  }
}

/** Parks the request, and shows its user the page that asks for consent. */
function createQuestion(server: AuthorizationServer) {
  const binding = createBrowserBinding(server.issuer, 'consent')

  return async function askUser(
    c: Context,
    client: Client,
    request: AuthorizationRequest,
    resource: ProtectedResource,
  ): Promise<Response> {
    const handle = createSecret()
    const { loginSeconds } = server.lifetimes
    const pending: PendingConsent = {
      stage: 'consent',
      flowId: correlationIdOf(c),
      upstream: resource.upstream,
      request,
      csrfDigest: binding.bind(c, handle, loginSeconds),
    }
    await server.store.authorizations.park(handle, pending, loginSeconds)
    const page = renderConsent({
      publicUrl: server.issuer,
      client,
      redirectUri: request.redirectUri,
      backendName: resource.name,
      resource: resource.resource,
      scopes: request.scope.map(name => describeScope(name, resource)),
      handle,
    })
    return renderPageResponse(c, page)
  }
}

/** Its user is not asked, unless the client wants that. */
function isTrusted({ trusted = false }: Client, { prompt = '' }: AuthorizationRequest): boolean {
  return trusted && !prompt.split(' ').includes('consent')
}

function describeScope(name: string, { scopes }: ProtectedResource) {
  const description = scopes.describe(name)
  return { name, ...(description !== undefined && { description }) }
}

function readParameters(c: Context): Promise<string> | string {
  return c.req.method === 'POST' ? readFormText(c) : new URL(c.req.url).search
}

/**
 * A client with a single redirect URI may leave it out. It is checked even then: what may be registered may have been more when the client did.
 *
 * @see RFC 6749 section 3.1.2.3
 */
function chooseRedirectUri({ redirectUris }: Client, parameters: Parameters): string | undefined {
  const implied = redirectUris.length === 1 ? redirectUris[0] : undefined
  const redirectUri = parameters.get('redirect_uri') ?? implied
  if (redirectUri === undefined) return undefined
  return isRegisteredRedirectUri(redirectUri, redirectUris) ? redirectUri : undefined
}
