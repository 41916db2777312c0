import type { OutgoingHttpHeader, ServerResponse } from 'node:http'

/**
 * The proxy's own failures. Codes are ours (`-32000 … -32019`); those that SDKs use themselves (`-32000 … -32002`) are left out, so that nobody takes one for another. The two that
 * the standards name for what they mean are theirs.
 */
export type Failure = keyof typeof FAILURES

type Row = { status: number; code: number; message: string; level: 'info' | 'warn' | 'error' }

export const FAILURES = {
  unauthenticated: row(401, -32003, 'Authorization required', 'info'),
  invalidToken: row(401, -32004, 'The access token is not valid here', 'info'),
  ambiguousCredentials: row(400, -32005, 'Ambiguous or misplaced credentials', 'info'),
  forbiddenOrigin: row(403, -32006, 'This origin may not call', 'info'),
  methodNotAllowed: row(405, -32007, 'Method not allowed', 'info'),
  bodyTooLarge: row(413, -32008, 'The request is too large', 'info'),
  subjectOverloaded: row(429, -32018, 'Too many requests in flight for this user', 'info'),
  tooManyStreams: row(429, -32019, 'Too many open streams for this user', 'info'),
  overloaded: row(503, -32009, 'Too many requests in flight', 'warn'),
  tokenUnavailable: row(503, -32010, 'Temporarily unavailable', 'warn'),
  backendUnreachable: row(502, -32011, 'No instance of the backend can be reached', 'warn'),
  backendBroken: row(502, -32012, 'The backend gave no usable answer', 'warn'),
  backendTimeout: row(504, -32013, 'The backend did not answer in time', 'warn'),
  rateLimited: row(429, -32017, 'Too many requests', 'info'),
  insufficientScope: row(
    403,
    -32015,
    'This needs scopes that the access token does not have',
    'info',
  ),
  forbidden: row(403, -32016, 'This may not be called here', 'info'),
  unreadable: row(400, -32700, 'The message cannot be read', 'info'),
  headerMismatch: row(400, -32020, 'The header fields and the message differ', 'info'),
  unexpected: row(500, -32014, 'Internal error', 'error'),
} as const satisfies Record<string, Row>

export type FailureDetails = {
  correlationId: string
  /** Flat list; the fields for a browser. */
  crossOrigin?: readonly string[]
  /** A bearer challenge. */
  challenge?: string | undefined
  retryAfterSeconds?: number | undefined
  /** Where the request's body is not going to be read. */
  closes?: boolean
}

export function statusOf(failure: Failure): number {
  return FAILURES[failure].status
}

export function levelOf(failure: Failure): Row['level'] {
  return FAILURES[failure].level
}

/** Head and body of a failure, as a JSON-RPC error without an id: the proxy does not read the message that it is about. */
export function renderFailure(
  failure: Failure,
  details: FailureDetails,
): [number, OutgoingHttpHeader[], string] {
  const { status, code, message } = FAILURES[failure]
  const data = { correlationId: details.correlationId }
  const body = JSON.stringify({ jsonrpc: '2.0', error: { code, message, data }, id: null })
  const fields: OutgoingHttpHeader[] = ['content-type', 'application/json']
  fields.push('content-length', String(Buffer.byteLength(body)), 'cache-control', 'no-store')
  fields.push('x-request-id', details.correlationId)
  if (details.challenge !== undefined) fields.push('www-authenticate', details.challenge)
  if (details.retryAfterSeconds !== undefined) {
    fields.push('retry-after', String(Math.max(1, Math.ceil(details.retryAfterSeconds))))
  }
  if (details.closes) fields.push('connection', 'close')
  return [status, fields.concat(details.crossOrigin ?? []), body]
}

/** Answers with a failure; once a head is out, nothing can be said but by breaking the connection. */
export function sendFailure(res: ServerResponse, failure: Failure, details: FailureDetails): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  const [status, fields, body] = renderFailure(failure, details)
  res.writeHead(status, fields)
  res.end(body)
}

function row(status: number, code: number, message: string, level: Row['level']): Row {
  return { status, code, message, level }
}
