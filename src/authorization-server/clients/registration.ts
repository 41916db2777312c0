import type { Context } from 'hono'
import * as z from 'zod'
import { OAuthError } from '../../domain/oauth-error.ts'
import { isPermittedRedirectUri } from '../../domain/redirect-policy.ts'
import { parseScope, renderScope } from '../../domain/scope.ts'
import { isSameSecret } from '../../domain/secret.ts'
import type { AuthorizationServer } from '../context.ts'
import { correlationIdOf } from '../correlation.ts'
import { readText } from '../parameters.ts'
import { nameDestination } from '../refusal-audit.ts'
import {
  acceptRedirectUris,
  checkGrantAndResponseTypes,
  cleanName,
  isHttpsUrl,
} from './client-metadata.ts'
import type { RegistrationPolicy } from './client-sources.ts'
import {
  deriveClientSecret,
  encodeClientId,
  MAX_CLIENT_ID_LENGTH,
  type RegisteredMetadata,
} from './registered-client.ts'

const MAX_REDIRECT_URIS = 20

/** What of a registration is read; clients send much more, and all of it is ignored (RFC 7591 section 2). */
const registrationRequest = z.object({
  redirect_uris: z.array(z.string()).min(1).max(MAX_REDIRECT_URIS),
  client_name: z.string().optional(),
  client_uri: z.string().optional(),
  scope: z.string().optional(),
  token_endpoint_auth_method: z.string().optional(),
  grant_types: z.array(z.string()).optional(),
  response_types: z.array(z.string()).optional(),
  application_type: z.string().optional(),
})

type RegistrationRequest = z.infer<typeof registrationRequest>

/** Dynamic client registration, as far as the policy lets clients register themselves. @see RFC 7591 section 3 */
export function createRegistrationEndpoint(server: AuthorizationServer) {
  const policy = server.clients.registration
  return policy ? createOpenEndpoint(server, policy) : refuseRegistration
}

/** Not 404: clients of MCP 2025-03-26 come here whatever the metadata says, and somebody may read why it fails. */
function refuseRegistration(): never {
  throw new OAuthError('access_denied', 'clients do not register themselves here', { status: 403 })
}

function createOpenEndpoint(server: AuthorizationServer, policy: RegistrationPolicy) {
  return async function register(c: Context): Promise<Response> {
    checkInitialAccessToken(c, policy)
    const request = parseRegistration(await readJson(c))
    const metadata = acceptMetadata(request, policy)
    const clientId = encodeClientId(server.ring, metadata, server.now())
    if (clientId.length > MAX_CLIENT_ID_LENGTH) {
      throw new OAuthError('invalid_client_metadata', 'the metadata is too long')
    }
    server.audit({
      event: 'registration',
      outcome: 'granted',
      correlationId: correlationIdOf(c),
      clientId,
      clientName: metadata.clientName,
      redirectHost: metadata.redirectUris.map(nameDestination).join(' '),
    })
    c.header('Cache-Control', 'no-store')
    return c.json(renderRegistration(server, clientId, metadata, request), 201)
  }
}

/** @see RFC 7591 section 3, RFC 6750 section 3 */
function checkInitialAccessToken(c: Context, { initialAccessToken }: RegistrationPolicy): void {
  if (initialAccessToken === undefined) return
  const presented = /^bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
  if (presented !== undefined && isSameSecret(presented, initialAccessToken)) return
  c.header('WWW-Authenticate', 'Bearer error="invalid_token"')
  throw new OAuthError('invalid_token', 'registration needs an initial access token')
}

function parseRegistration(body: unknown): RegistrationRequest {
  const parsed = registrationRequest.safeParse(body)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.map(issue => issue.path[0]?.toString() ?? 'body')
  const code = fields.includes('redirect_uris') ? 'invalid_redirect_uri' : 'invalid_client_metadata'
  throw new OAuthError(code, `missing or malformed: ${[...new Set(fields)].join(', ')}`)
}

function acceptMetadata(
  request: RegistrationRequest,
  { redirects }: RegistrationPolicy,
): RegisteredMetadata {
  const { client_name: name, client_uri: clientUri, scope } = request
  const defaultScope = scope ? parseScope(scope) : undefined
  if (scope && !defaultScope) throw new OAuthError('invalid_client_metadata', 'scope is malformed')
  checkGrantAndResponseTypes(request)
  return {
    clientName: cleanName(name),
    redirectUris: acceptRedirectUris(request.redirect_uris, uri =>
      isPermittedRedirectUri(uri, redirects),
    ),
    authMethod: acceptAuthMethod(request.token_endpoint_auth_method),
    ...(defaultScope?.length && { defaultScope }),
    ...(clientUri !== undefined && isHttpsUrl(clientUri) && { clientUri }),
  }
}

/** What a client may be without a key of its own. The default is the standard's. @see RFC 7591 section 2 */
function acceptAuthMethod(method = 'client_secret_basic'): RegisteredMetadata['authMethod'] {
  if (method === 'none' || method === 'client_secret_basic' || method === 'client_secret_post')
    return method
  throw new OAuthError('invalid_client_metadata', 'token_endpoint_auth_method is not supported')
}

function renderRegistration(
  server: AuthorizationServer,
  clientId: string,
  metadata: RegisteredMetadata,
  request: RegistrationRequest,
): Record<string, unknown> {
  const { authMethod, redirectUris, clientName, clientUri, defaultScope } = metadata
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(server.now()),
    ...(authMethod !== 'none' && {
      client_secret: deriveClientSecret(server.ring, clientId),
      client_secret_expires_at: 0,
    }),
    client_name: clientName,
    redirect_uris: redirectUris,
    token_endpoint_auth_method: authMethod,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...(request.application_type !== undefined && { application_type: request.application_type }),
    ...(defaultScope && { scope: renderScope(defaultScope) }),
    ...(clientUri !== undefined && { client_uri: clientUri }),
  }
}

async function readJson(c: Context): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new OAuthError('invalid_client_metadata', 'the body must be application/json')
  }
  try {
    return JSON.parse(await readText(c))
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new OAuthError('invalid_client_metadata', 'the body is not valid JSON')
    throw cause
  }
}
