import type { ServerResponse } from 'node:http'

/**
 * Which browser origins may call, and the fields that tell a browser so.
 *
 * @see Fetch standard, section 3.2 (CORS protocol); MCP streamable HTTP, "Security Warning" (DNS rebinding)
 */
export type CrossOrigin = {
  /**
   * @returns the flat list of fields for the answer, empty where there is no `Origin`; `undefined` where it is not allowed
   */
  find(origin: string | undefined): readonly string[] | undefined
}

const METHODS = 'GET, POST, DELETE, OPTIONS'
const EXPOSED = 'WWW-Authenticate, Mcp-Session-Id'
const ALLOWED_HEADERS = [
  'authorization',
  'content-type',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'mcp-session-id',
  'last-event-id',
  'traceparent',
  'tracestate',
]
const PARAMETER_FIELD = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]+$/
const PREFLIGHT_SECONDS = 7200
const NONE: readonly string[] = []

/** @param origins serialised origins, compared as they are, or `*` for any; `publicUrl`'s own is one of them */
export function createCrossOrigin(origins: readonly string[]): CrossOrigin {
  const allowed = new Map(origins.map(origin => [origin, fieldsFor(origin)]))
  const findOther = origins.includes('*') ? fieldsFor : () => undefined
  return {
    find: origin => (origin === undefined ? NONE : (allowed.get(origin) ?? findOther(origin))),
  }
}

/** Whether an OPTIONS request is a browser's question rather than a request of its own. */
export function isPreflight(
  method: string | undefined,
  origin: string | undefined,
  requestedMethod: string | undefined,
): boolean {
  return method === 'OPTIONS' && origin !== undefined && requestedMethod !== undefined
}

/** @param fields from `CrossOrigin.find`, or those of a public document */
export function renderPreflight(
  res: ServerResponse,
  fields: readonly string[],
  requestedHeaders: string | undefined,
): void {
  res.writeHead(204, [
    ...fields,
    ...['access-control-allow-methods', METHODS],
    ...['access-control-allow-headers', allowedHeaders(requestedHeaders).join(', ')],
    ...['access-control-max-age', String(PREFLIGHT_SECONDS)],
  ])
  res.end()
}

/** `Mcp-Param-*` fields are named by tools, so they can only be allowed as they are asked for. */
function allowedHeaders(requested: string | undefined): string[] {
  const names = (requested ?? '').toLowerCase().split(',')
  const parameters = names.map(name => name.trim()).filter(name => PARAMETER_FIELD.test(name))
  return [...ALLOWED_HEADERS, ...parameters]
}

function fieldsFor(origin: string): readonly string[] {
  return [
    ...['access-control-allow-origin', origin],
    ...['access-control-expose-headers', EXPOSED],
    ...['vary', 'Origin'],
  ]
}
