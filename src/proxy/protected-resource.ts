import type { IncomingMessage, ServerResponse } from 'node:http'
import { renderScope, type Scope } from '../domain/scope.ts'
import { isPreflight, renderPreflight } from './cross-origin.ts'

/** What the metadata and the challenges of one MCP endpoint need to know. */
export type ProtectedResource = {
  name: string
  /** Of the endpoint; `/crm/mcp`. */
  path: string
  /** Its canonical URI: `publicUrl` + `path`. */
  resource: string
  /** What a client is told to ask for. */
  scopes: Scope
}

/** `WWW-Authenticate` values of one resource, ready to send. */
export type Challenges = Record<
  'unauthenticated' | 'invalidToken' | 'ambiguousCredentials',
  string
> & {
  /** @param scope all that a token has to have, so what it has already too */
  insufficientScope(scope: Scope): string
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'
const DOCUMENT_FIELDS = [
  ...['access-control-allow-origin', '*'],
  ...['access-control-expose-headers', 'WWW-Authenticate'],
]

/**
 * The exact paths at which each metadata document is served: the path form, and the root form too where there is one resource only.
 *
 * @see RFC 9728 section 3.1
 */
export function metadataPaths(resource: ProtectedResource, isOnly: boolean): string[] {
  const own = metadataPath(resource)
  return isOnly && own !== WELL_KNOWN ? [own, WELL_KNOWN] : [own]
}

/**
 * Challenges begin with `Bearer`, never with an empty scope, and no description contains text that a client's regular expression could take for a parameter.
 *
 * @param publicUrl origin without a slash
 * @see RFC 6750 section 3, RFC 9728 section 5.1
 */
export function createChallenges(publicUrl: string, resource: ProtectedResource): Challenges {
  const metadata = `resource_metadata="${publicUrl}${metadataPath(resource)}"`
  const scope = renderScope(resource.scopes)
  const parameters = scope === '' ? metadata : `${metadata}, scope="${scope}"`
  const refused = (error: string, description: string) =>
    `Bearer error="${error}", error_description="${description}", ${parameters}`
  return {
    unauthenticated: `Bearer ${parameters}`,
    invalidToken: refused('invalid_token', 'The access token is expired, revoked or not for here'),
    ambiguousCredentials: refused('invalid_request', 'Send one token in one Authorization field'),
    insufficientScope: needed =>
      `Bearer error="insufficient_scope", error_description="This needs more scopes than the access token has", ${metadata}, scope="${renderScope(needed)}"`,
  }
}

/**
 * Serves one metadata document. It is public, so any origin may read it.
 *
 * @param authorizationServer issuer of the tokens that open the resource
 * @see RFC 9728 sections 2 and 3.2
 */
export function createMetadataHandler(
  authorizationServer: string,
  resource: ProtectedResource,
): (req: IncomingMessage, res: ServerResponse) => void {
  const document = renderMetadata(authorizationServer, resource)
  const fields = [...DOCUMENT_FIELDS, 'content-type', 'application/json']
  fields.push('cache-control', 'public, max-age=300')
  fields.push('content-length', String(Buffer.byteLength(document)))
  return (req, res) => {
    const { origin, ...headers } = req.headers
    if (isPreflight(req.method, origin, headers['access-control-request-method'])) {
      return renderPreflight(res, DOCUMENT_FIELDS, headers['access-control-request-headers'])
    }
    if (req.method === 'GET' || req.method === 'HEAD') {
      res.writeHead(200, fields)
      res.end(document)
      return
    }
    res.writeHead(405, [...DOCUMENT_FIELDS, 'allow', 'GET, HEAD, OPTIONS', 'content-length', '0'])
    res.end()
  }
}

export function renderMetadata(authorizationServer: string, resource: ProtectedResource): string {
  // Clients ask for everything that is listed, and `offline_access` is for the authorization server's metadata only.
  const scopes = resource.scopes.filter(scope => scope !== 'offline_access')
  return JSON.stringify({
    resource: resource.resource,
    authorization_servers: [authorizationServer],
    ...(scopes.length > 0 && { scopes_supported: scopes }),
    bearer_methods_supported: ['header'],
    resource_name: resource.name,
  })
}

function metadataPath({ path }: ProtectedResource): string {
  return path === '/' ? WELL_KNOWN : WELL_KNOWN + path
}
