import type { Logger } from './log.ts'

/** What is decided; `docs/audit.md` says what each is. */
export const AUDIT_EVENTS = [
  ...(['registration', 'authorization', 'consent', 'login', 'token'] as const),
  ...(['revocation', 'policy', 'admin'] as const),
] as const

/** `failed` is an outage or an error of ours: nothing was decided. */
export const AUDIT_OUTCOMES = ['granted', 'denied', 'failed'] as const

/**
 * One decision about access, for whoever must answer "who was let in, to what, and why". Never a token, a code, a secret or a cookie.
 *
 * `docs/audit.md` describes the lines; a test holds the two together.
 */
export type AuditEvent = {
  event: (typeof AUDIT_EVENTS)[number]
  outcome: (typeof AUDIT_OUTCOMES)[number]
  correlationId: string
  /** Why, where it was not granted or not asked for by its owner. Of `admin`: what was done. */
  reason?: string
  clientId?: string
  clientName?: string
  /** Where the code went: host of the redirect URI, or its scheme. */
  redirectHost?: string
  issuer?: string
  subject?: string
  resource?: string
  /** As the request names it. */
  tool?: string
  scope?: readonly string[]
  grantId?: string
  /** Of `revocation`: what was used a second time, so that the grant ended. */
  replayed?: 'authorization_code' | 'refresh_token'
  /** Of `admin`: how many grants it ended. */
  revoked?: number
  /** Of `admin`: how many of them did not open, so that the upstream keeps their tokens. */
  unopened?: number
  /** Of `admin`: how many could not be ended. */
  failed?: number
}

export type Audit = (event: AuditEvent) => void

/**
 * Audit events are log lines with `"audit": true`.
 *
 * @param count learns of each
 */
export function createAudit(logger: Logger, count?: (event: AuditEvent) => void): Audit {
  return event => {
    logger.info({ audit: true, ...event }, `${event.event} ${event.outcome}`)
    count?.(event)
  }
}
