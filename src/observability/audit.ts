import type { Logger } from './log.ts'

/** One decision about access, for whoever must answer "who was let in, to what, and why". Never a token, a code, a secret or a cookie. */
export type AuditEvent = {
  event: 'registration' | 'consent' | 'login' | 'token' | 'revocation'
  outcome: 'granted' | 'denied' | 'failed'
  correlationId: string
  /** Why, where it was not granted or not asked for by its owner. */
  reason?: string
  clientId?: string
  clientName?: string
  /** Where the code went: host of the redirect URI, or its scheme. */
  redirectHost?: string
  issuer?: string
  subject?: string
  resource?: string
  scope?: readonly string[]
  grantId?: string
}

export type Audit = (event: AuditEvent) => void

/** Audit events are log lines with `"audit": true`. */
export function createAudit(logger: Logger): Audit {
  return event => {
    logger.info({ audit: true, ...event }, `${event.event} ${event.outcome}`)
  }
}
