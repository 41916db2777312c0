import type { Context } from 'hono'
import { describeRedirectUri } from '../domain/redirect-uri.ts'
import type { AuditEvent } from '../observability/audit.ts'
import { MAX_CLIENT_ID_LENGTH } from './clients/registered-client.ts'
import type { AuthorizationServer } from './context.ts'
import { correlationIdOf, findClient } from './correlation.ts'

/** What was asked for, as far as it is known. */
export type Asked = {
  clientId?: string | undefined
  clientName?: string | undefined
  resource?: string | undefined
  redirectUri?: string | undefined
  /** Who has signed in, where somebody has. */
  issuer?: string | undefined
  subject?: string | undefined
}

/** What an endpoint decides. Others decide nothing about access. */
const EVENTS: Readonly<Record<string, AuditEvent['event']>> = {
  '/authorize': 'authorization',
  '/consent': 'consent',
  '/callback': 'login',
  '/token': 'token',
  '/register': 'registration',
  '/revoke': 'revocation',
}

/** Puts a refusal on record: that it was refused, by which endpoint, to whom and why. */
export function auditRefusal(
  { audit }: Pick<AuthorizationServer, 'audit'>,
  c: Context,
  { status, reason, isKnown }: { status: number; reason: string; isKnown?: boolean },
  asked: Asked = {},
): void {
  const event = EVENTS[c.req.path]
  if (event === undefined || isKnown) return
  const { clientName, resource, redirectUri, issuer, subject } = asked
  const clientId = asked.clientId ?? findPresented(c)
  audit({
    event,
    outcome: status >= 500 ? 'failed' : 'denied',
    correlationId: correlationIdOf(c),
    reason,
    ...(clientId !== undefined && { clientId }),
    ...(clientName !== undefined && { clientName }),
    ...(redirectUri !== undefined && { redirectHost: nameDestination(redirectUri) }),
    ...(resource !== undefined && { resource }),
    ...(issuer !== undefined && { issuer }),
    ...(subject !== undefined && { subject }),
    ...findClient(c),
  })
}

/** Host of a redirect URI, or the scheme of an app. */
export function nameDestination(redirectUri: string): string {
  const destination = describeRedirectUri(redirectUri)
  return destination.kind === 'app' ? `${destination.scheme}:` : destination.host
}

/** Nobody has verified it. */
function findPresented(c: Context): string | undefined {
  return c.req.query('client_id')?.slice(0, MAX_CLIENT_ID_LENGTH)
}
