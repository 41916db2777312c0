/**
 * The one error class of the authorization server. `code` and `description` go on the wire; `reason` is for the log and the metrics and may
 * say more than a stranger should learn.
 *
 * @see RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591 section 3.2.2, RFC 8707 section 2
 */
export type OAuthErrorCode =
  | 'access_denied'
  | 'consent_required'
  | 'invalid_client'
  | 'invalid_client_metadata'
  | 'invalid_grant'
  | 'invalid_redirect_uri'
  | 'invalid_request'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_token'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'

const STATUS: Partial<Record<OAuthErrorCode, number>> = {
  invalid_client: 401,
  invalid_token: 401,
  server_error: 500,
  temporarily_unavailable: 503,
}

export type OAuthErrorOptions = {
  /** For the log only. Defaults to the description. */
  reason?: string
  /** Seconds until the same request may succeed; rendered as `Retry-After`. */
  retryAfterSeconds?: number
  /** HTTP status where the standard asks for another one than the code's usual. */
  status?: number
  /** Whether the same was put on record a moment ago, so that this is not. */
  isKnown?: boolean
  cause?: unknown
}

export class OAuthError extends Error {
  readonly code: OAuthErrorCode
  readonly description: string
  readonly reason: string
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  readonly isKnown: boolean

  constructor(code: OAuthErrorCode, description: string, options: OAuthErrorOptions = {}) {
    super(`${code}: ${description}`, { cause: options.cause })
    this.name = 'OAuthError'
    this.code = code
    this.description = description
    this.reason = options.reason ?? description
    this.status = options.status ?? STATUS[code] ?? 400
    this.isKnown = options.isKnown ?? false
    this.retryAfterSeconds =
      options.retryAfterSeconds ?? (code === 'temporarily_unavailable' ? 2 : undefined)
  }
}
