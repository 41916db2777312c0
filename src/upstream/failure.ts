import { ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'
import { type FailureRule, findFailureRule, type SignInProblem } from './failure-rules.ts'

/**
 * What an upstream's refusal means for a grant.
 *
 * - `dead`: the refresh token will never work again; a new login is needed.
 * - `operator`: our own registration at the upstream is wrong. The grant is kept and somebody must look.
 * - `transient`: the same request may succeed in a moment, and it certainly had no effect.
 * - `ambiguous`: no answer came although the request went out. It may have been carried out, and a refresh token rotated.
 * - `invalid`: an answer came, and is not what it must be: an ID token with a wrong signature, issuer, audience or nonce, an answer without its fields.
 */
export type UpstreamFailure = {
  kind: 'dead' | 'operator' | 'transient' | 'ambiguous' | 'invalid'
  /** The upstream's `error`, or a word of ours for what happened on the wire. Safe to log. */
  error: string
  /** HTTP status, where there was an answer. */
  status?: number
  /** The upstream's own wording; for the log, never for a client. */
  description?: string
  retryAfterSeconds?: number
  /** What conditional access wants of the next login. */
  claims?: string
  /** Where the person who signs in can do something about it. */
  problem?: SignInProblem
}

const DEAD = new Set([
  'invalid_grant',
  'interaction_required',
  'login_required',
  'consent_required',
])
const OPERATOR = new Set([
  'invalid_client',
  'unauthorized_client',
  'invalid_scope',
  'invalid_target',
  'invalid_request',
  'unsupported_grant_type',
])

/** Errors that say that no connection came about, so that nothing was sent. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Codes of `openid-client` and `jose` for an answer that fails its checks. */
const INVALID = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
])

/** Codes for a credential of our own that cannot be read: nothing was sent, and trying again will not help. */
const NO_CREDENTIAL = new Set(['EACCES', 'EISDIR', 'ENOENT'])

/**
 * Reads what `openid-client` threw. Status first: a 429 or a 503 says nothing about a token, whatever its body is.
 *
 * @param rules what the upstream means by its errors, beyond the standard
 */
export async function classifyFailure(
  thrown: unknown,
  rules: readonly FailureRule[] = [],
): Promise<UpstreamFailure> {
  if (thrown instanceof ResponseBodyError)
    return classifyAnswer(thrown.status, thrown.response, thrown.cause, rules)
  if (thrown instanceof WWWAuthenticateChallengeError) {
    return classifyAnswer(thrown.status, thrown.response, await readJson(thrown.response), rules)
  }
  if (thrown instanceof ClientError && thrown.cause instanceof Response) {
    return classifyUnreadable(thrown.cause)
  }
  const codes = errorCodes(thrown)
  const invalid = codes.find(code => INVALID.has(code))
  if (invalid !== undefined) return { kind: 'invalid', error: invalid.toLowerCase() }
  const unread = codes.find(code => NO_CREDENTIAL.has(code))
  if (unread !== undefined) return { kind: 'operator', error: 'client_credential_unreadable' }
  return classifyConnection(codes)
}

function classifyAnswer(
  status: number,
  response: Response,
  body: unknown,
  rules: readonly FailureRule[],
): UpstreamFailure {
  const { error, error_description, error_codes: codes, claims } = asRecord(body)
  const code =
    typeof error === 'string' ? error : status === 401 ? 'invalid_client' : `status_${status}`
  const description = typeof error_description === 'string' ? error_description : undefined
  const rule = findFailureRule(rules, { error: code, description, codes })
  const { problem, retryAfterSeconds } = rule ?? {}
  const kind = kindOf(status, code, rule)
  return {
    kind,
    error: code,
    status,
    ...(description !== undefined && { description }),
    ...(typeof claims === 'string' && { claims }),
    ...(problem && kind === 'dead' && { problem }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...retryAfter(response),
  }
}

function kindOf(
  status: number,
  code: string,
  rule: FailureRule | undefined,
): UpstreamFailure['kind'] {
  if (status === 502 || status === 504) return 'ambiguous'
  if (status === 408 || status === 429 || status >= 500) return 'transient'
  if (rule?.kind) return rule.kind
  if (DEAD.has(code)) return 'dead'
  return OPERATOR.has(code) ? 'operator' : 'transient'
}

/** An HTML page or the like: a proxy or a firewall in between, which says nothing about the token, even where its status is 400. */
function classifyUnreadable(response: Response): UpstreamFailure {
  const { status } = response
  const ambiguous = response.ok || status === 502 || status === 504
  return {
    kind: ambiguous ? 'ambiguous' : 'transient',
    error: 'unreadable_answer',
    status,
    ...retryAfter(response),
  }
}

function classifyConnection(codes: readonly string[]): UpstreamFailure {
  const sent = !codes.some(code => NEVER_SENT.has(code))
  return { kind: sent ? 'ambiguous' : 'transient', error: codes[0] ?? 'no_answer' }
}

function errorCodes(thrown: unknown): string[] {
  const codes: string[] = []
  for (let at = thrown, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof AggregateError) codes.push(...at.errors.flatMap(errorCodes))
    if ('code' in at && typeof at.code === 'string') codes.push(at.code)
  }
  return codes
}

function retryAfter(response: Response): { retryAfterSeconds?: number } {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0
    ? { retryAfterSeconds: Math.min(Math.ceil(seconds), 300) }
    : {}
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return response.bodyUsed ? undefined : await response.json()
  } catch {
    return undefined
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {}
}
