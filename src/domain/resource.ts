/**
 * Resources: canonical URIs of MCP endpoints, `publicUrl` and the endpoint's path.
 *
 * @see RFC 8707 section 2, MCP authorization "Canonical Server URI"
 */

/**
 * The canonical form: scheme and host in lower case, no default port. Everything else stays as it came, a trailing slash too, except for a bare origin, whose empty
 * path and `/` are the same.
 *
 * @returns `undefined` for what is no absolute http(s) URI, or has a fragment or credentials
 */
export function canonicalResource(uri: string): string | undefined {
  if (uri.includes('#') || !URL.canParse(uri)) return undefined
  const url = new URL(uri)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  if (url.username !== '' || url.password !== '') return undefined
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.protocol}//${url.host}${path}${url.search}`
}

/** The configured resource that is meant; a trailing slash more or less is forgiven, since clients add it. */
export function findResource(presented: string, resources: readonly string[]): string | undefined {
  const canonical = canonicalResource(presented)
  if (canonical === undefined) return undefined
  const slashless = canonical.replace(/\/$/, '')
  return resources.find(resource => resource === canonical || resource === slashless)
}
