import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { OAuthError } from '../domain/oauth-error.ts'
import { OutageError } from '../domain/outage.ts'
import { renderError } from '../http/pages/error.ts'
import { ERROR_TEXTS, type ErrorKind } from '../http/pages/error-kinds.ts'
import type { Page } from '../http/pages/layout.ts'
import type { AuthorizationServer } from './context.ts'
import { correlationIdOf } from './correlation.ts'
import { type Asked, auditRefusal } from './refusal-audit.ts'

/** The three renderings of what goes wrong at the authorization server: JSON, a redirect to the client, a page for a person. */

const ANSWER_PARAMETERS = ['code', 'error', 'error_description', 'error_uri', 'iss', 'state']

type Surroundings = Pick<AuthorizationServer, 'issuer' | 'logger' | 'audit'>

/** What any throw means to a client. Only the texts of `OAuthError` reach the wire; everything else is fixed. */
export function asOAuthError(thrown: unknown, correlationId: string): OAuthError {
  if (thrown instanceof OAuthError) return thrown
  if (thrown instanceof OutageError) {
    return new OAuthError('temporarily_unavailable', 'try again in a moment', {
      reason: `${thrown.dependency} outage: ${thrown.message}`,
      retryAfterSeconds: thrown.retryAfterSeconds,
      cause: thrown,
    })
  }
  return new OAuthError('server_error', `something went wrong here (${correlationId})`, {
    cause: thrown,
  })
}

/** @see RFC 6749 section 5.2 */
export function renderJsonError(server: Surroundings, c: Context, thrown: unknown): Response {
  const error = asOAuthError(thrown, correlationIdOf(c))
  logRefusal(server, c, error)
  auditRefusal(server, c, error)
  c.header('Cache-Control', 'no-store')
  if (error.retryAfterSeconds !== undefined)
    c.header('Retry-After', String(error.retryAfterSeconds))
  if (error.code === 'invalid_client' && c.req.header('authorization') !== undefined) {
    c.header('WWW-Authenticate', `Basic realm="${server.issuer}"`)
  }
  const body = { error: error.code, error_description: error.description }
  return c.json(body, error.status as ContentfulStatusCode)
}

type FaultDetails = {
  reason: string
  clientId?: string
  clientName?: string
  account?: string
  service?: string
  issuer?: string
  subject?: string
  resource?: string
  redirectUri?: string
  cause?: unknown
  /** Where it is another one than is usual for the kind. */
  status?: number
  /** As of `OAuthError`. */
  isKnown?: boolean
  /** For kinds that may pass. */
  retryAfterSeconds?: number
  /** Where trying again begins. */
  retryUrl?: string
  /** What is wrong, for whoever runs the client. */
  problem?: string
  /** The answer to the client, for its user to send on. */
  returnUrl?: string
}

/** A page for whoever is in front of the browser; the reason is for the log. */
export function renderFault(
  server: Surroundings,
  c: Context,
  kind: ErrorKind,
  details: FaultDetails,
): Response {
  const correlationId = correlationIdOf(c)
  const { reason, cause, retryAfterSeconds = 5 } = details
  const { clientName, account, service, problem, retryUrl, returnUrl } = details
  const level = kind === 'server-error' ? 'error' : 'warn'
  server.logger[level](
    { correlationId, path: c.req.path, kind, reason, ...(cause !== undefined && { err: cause }) },
    'a person was shown an error',
  )
  const page = renderError({
    publicUrl: server.issuer,
    kind,
    correlationId,
    ...(clientName !== undefined && { clientName }),
    ...(account !== undefined && { account }),
    ...(service !== undefined && { service }),
    ...(problem !== undefined && { problem }),
    ...(retryUrl !== undefined && { retryUrl }),
    ...(returnUrl !== undefined && { returnUrl }),
  })
  const status = details.status ?? ERROR_TEXTS[kind].status
  const { isKnown = false } = details
  auditRefusal(server, c, { status, reason, isKnown }, details)
  if (status === 503 || status === 429) c.header('Retry-After', String(retryAfterSeconds))
  return renderPageResponse(c, page, status as ContentfulStatusCode)
}

export function renderPageResponse(
  c: Context,
  page: Page,
  status: ContentfulStatusCode = 200,
): Response {
  return c.body(page.html, status, page.headers)
}

/** A throw on the way of a person who cannot be redirected (yet). */
export function renderThrownPage(server: Surroundings, c: Context, thrown: unknown): Response {
  const error = asOAuthError(thrown, correlationIdOf(c))
  const kind: ErrorKind =
    error.code === 'server_error'
      ? 'server-error'
      : error.status === 429
        ? 'too-many-requests'
        : error.code === 'temporarily_unavailable'
          ? 'unavailable'
          : 'bad-request'
  const { reason, cause, status, isKnown, retryAfterSeconds } = error
  const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  return renderFault(server, c, kind, { reason, cause, status, isKnown, ...wait })
}

type AnswerTo = { redirectUri: string; state?: string | undefined }

type Answer = { code: string } | OAuthError

/**
 * Back to the client, its redirect URI having been verified.
 *
 * @see RFC 6749 section 4.1.2, RFC 9207 section 2
 */
export function redirectToClient(
  server: Surroundings,
  c: Context,
  to: AnswerTo & Asked,
  answer: Answer,
): Response {
  if (answer instanceof OAuthError) {
    logRefusal(server, c, answer)
    auditRefusal(server, c, answer, to)
  }
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  return c.redirect(renderAnswerUrl(server, to, answer), 303)
}

/** Where the answer to an authorization request goes, with the answer in it. */
export function renderAnswerUrl(
  { issuer }: Pick<AuthorizationServer, 'issuer'>,
  to: AnswerTo,
  answer: Answer,
): string {
  const url = new URL(to.redirectUri)
  // Whoever registered a redirect URI with an answer in its query does not get to speak for us.
  for (const name of ANSWER_PARAMETERS) url.searchParams.delete(name)
  if (answer instanceof OAuthError) {
    url.searchParams.set('error', answer.code)
    url.searchParams.set('error_description', answer.description)
  } else {
    url.searchParams.set('code', answer.code)
  }
  if (to.state !== undefined) url.searchParams.set('state', to.state)
  url.searchParams.set('iss', issuer)
  return url.href
}

function logRefusal(server: Surroundings, c: Context, error: OAuthError): void {
  const level = error.code === 'server_error' ? 'error' : 'warn'
  server.logger[level](
    {
      correlationId: correlationIdOf(c),
      path: c.req.path,
      error: error.code,
      reason: error.reason,
      ...(error.cause !== undefined && { err: error.cause }),
    },
    'refused',
  )
}
