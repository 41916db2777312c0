import type { Logger } from './log.ts'

/**
 * One decision about access, for whoever must answer "who was let in, to what, and why". Never a token, a code, a secret or a cookie.
 *
 * `docs/audit.md` describes the lines; a test holds the two together.
 */
export type AuditEvent = {
  event:
    | 'registration'
    | 'authorization'
    | 'consent'
    | 'login'
    | 'token'
    | 'revocation'
    | 'policy'
    | 'admin'
  outcome: 'granted' | 'denied' | 'failed'
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
  /** Of `admin`: how many grants it ended. */
  revoked?: number
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
