import type { Context } from 'hono'
import * as z from 'zod'
import { OAuthError } from '../domain/oauth-error.ts'
import {
  describeRedirectUri,
  findRedirectUriFault,
  type RedirectUriFault,
} from '../domain/redirect-uri.ts'
import { parseScope, renderScope } from '../domain/scope.ts'
import type { AuthorizationServer } from './context.ts'
import { correlationIdOf } from './correlation.ts'
import {
  deriveClientSecret,
  encodeClientId,
  MAX_CLIENT_ID_LENGTH,
  type RegisteredMetadata,
} from './registered-client.ts'

const MAX_REDIRECT_URIS = 20
const MAX_NAME_LENGTH = 100

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

/**
 * Faults for which a whole registration is refused: nobody sends such a URI by mistake. Other URIs that cannot be used are left out of the answer, since real clients register
 * several at once.
 */
const DANGEROUS = new Set<RedirectUriFault>([
  'has a fragment',
  'has a user name or a password',
  'has a wildcard',
  'uses a scheme that runs or reads something',
])

/** Dynamic client registration. @see RFC 7591 section 3 */
export function createRegistrationEndpoint(server: AuthorizationServer) {
  return async function register(c: Context): Promise<Response> {
    const request = parseRegistration(await readJson(c))
    const metadata = acceptMetadata(request)
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
      redirectHost: metadata.redirectUris.map(describeHost).join(' '),
    })
    c.header('Cache-Control', 'no-store')
    return c.json(renderRegistration(server, clientId, metadata, request), 201)
  }
}

function parseRegistration(body: unknown): RegistrationRequest {
  const parsed = registrationRequest.safeParse(body)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.map(issue => issue.path[0]?.toString() ?? 'body')
  const code = fields.includes('redirect_uris') ? 'invalid_redirect_uri' : 'invalid_client_metadata'
  throw new OAuthError(code, `missing or malformed: ${[...new Set(fields)].join(', ')}`)
}

function acceptMetadata(request: RegistrationRequest): RegisteredMetadata {
  const { client_name: name, client_uri: clientUri, scope } = request
  const defaultScope = scope ? parseScope(scope) : undefined
  if (scope && !defaultScope) throw new OAuthError('invalid_client_metadata', 'scope is malformed')
  if (request.grant_types && !request.grant_types.includes('authorization_code')) {
    throw new OAuthError('invalid_client_metadata', 'grant_types must include authorization_code')
  }
  if (request.response_types && !request.response_types.includes('code')) {
    throw new OAuthError('invalid_client_metadata', 'response_types must include code')
  }
  return {
    clientName: cleanName(name),
    redirectUris: acceptRedirectUris(request.redirect_uris),
    authMethod: acceptAuthMethod(request.token_endpoint_auth_method),
    ...(defaultScope?.length && { defaultScope }),
    ...(clientUri !== undefined && isHttpsUrl(clientUri) && { clientUri }),
  }
}

function acceptRedirectUris(uris: readonly string[]): string[] {
  const faults = uris.map(findRedirectUriFault)
  const dangerous = faults.findIndex(fault => fault && DANGEROUS.has(fault))
  if (dangerous !== -1) {
    throw new OAuthError('invalid_redirect_uri', `redirect_uris[${dangerous}] ${faults[dangerous]}`)
  }
  const accepted = uris.filter((_, index) => faults[index] === undefined)
  if (accepted.length === 0)
    throw new OAuthError('invalid_redirect_uri', `redirect_uris[0] ${faults[0]}`)
  return accepted
}

/** What a client may be without a key of its own. The default is the standard's. @see RFC 7591 section 2 */
function acceptAuthMethod(method = 'client_secret_basic'): RegisteredMetadata['authMethod'] {
  if (method === 'none' || method === 'client_secret_basic' || method === 'client_secret_post')
    return method
  throw new OAuthError('invalid_client_metadata', 'token_endpoint_auth_method is not supported')
}

/** Without control and formatting characters, which could make a name look like something else. */
function cleanName(name = ''): string {
  const clean = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim()
  return [...clean].slice(0, MAX_NAME_LENGTH).join('') || 'An app without a name'
}

function isHttpsUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:'
}

function describeHost(uri: string): string {
  const destination = describeRedirectUri(uri)
  return destination.kind === 'app' ? `${destination.scheme}:` : destination.host
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
    return JSON.parse(await c.req.text())
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new OAuthError('invalid_client_metadata', 'the body is not valid JSON')
    throw cause
  }
}
