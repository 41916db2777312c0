import { genericGrantRequest } from 'openid-client'
import type { DerivedToken, Grant } from '../domain/grant.ts'
import { renderScope } from '../domain/scope.ts'
import type { UpstreamClient } from './client.ts'
import { type ExchangeCredential, purposeOf } from './credential.ts'
import { classifyFailure, type UpstreamFailure } from './failure.ts'
import type { UpstreamOptions } from './options.ts'
import { waitBefore, within } from './refresh.ts'
import { readTokens } from './token-response.ts'

export type ExchangeResult =
  | { outcome: 'exchanged'; derived: DerivedToken }
  | { outcome: 'failed'; failure: UpstreamFailure }

const TRIES = 3

/** What an upstream says of a token that it does not take for an exchange. @see RFC 8693 section 2.2.2, RFC 7523 section 3.1 */
const SUBJECT_REFUSED = new Set(['invalid_grant', 'invalid_request', 'invalid_token'])

/** Whether the upstream has refused the token that was to be exchanged; not where it only says, in whatever words, that it wants to be left alone. */
export function isSubjectRefused({ kind, error, status }: UpstreamFailure): boolean {
  // No rule knows the code, which belongs to resource servers, so it counts as transient.
  if (error === 'invalid_token') return status === 400
  return kind !== 'transient' && SUBJECT_REFUSED.has(error)
}

/**
 * Exchanges the grant's access token for one that its backend takes. Nothing is spent by that, so whatever may have failed by chance is tried again until `signal` says
 * that the time is up. Never throws for what the upstream does.
 */
export async function exchangeUpstreamToken(
  client: UpstreamClient,
  options: UpstreamOptions,
  grant: Grant,
  credential: ExchangeCredential,
  now: () => number,
  signal: AbortSignal,
): Promise<ExchangeResult> {
  for (let tried = 1; ; tried += 1) {
    const answer = await exchangeOnce(client, options, grant, credential, now, signal)
    if (answer.outcome === 'exchanged') return answer
    const { failure } = answer
    const byChance = failure.kind === 'transient' || failure.kind === 'ambiguous'
    const again = byChance && tried < TRIES && !signal.aborted
    if (!again || !(await waitBefore(tried, failure, signal))) return answer
  }
}

async function exchangeOnce(
  client: UpstreamClient,
  { failures, unstatedLifeSeconds }: UpstreamOptions,
  grant: Grant,
  credential: ExchangeCredential,
  now: () => number,
  signal: AbortSignal,
): Promise<ExchangeResult> {
  try {
    const configuration = await within(signal, client.configuration())
    const { grantType, params } = describeRequest(grant.upstreamTokens.accessToken, credential)
    const { result } = await client.refreshing(signal, () =>
      genericGrantRequest(configuration, grantType, params),
    )
    const { accessToken, issuedAt, expiresAt } = readTokens(
      result,
      now(),
      undefined,
      unstatedLifeSeconds,
    )
    const purpose = purposeOf(credential) ?? ''
    return { outcome: 'exchanged', derived: { accessToken, issuedAt, expiresAt, purpose } }
  } catch (thrown) {
    return { outcome: 'failed', failure: await classifyFailure(thrown, failures) }
  }
}

/** @see RFC 8693 section 2.1; RFC 7523 section 2.1 for Entra's on-behalf-of flow */
function describeRequest(
  accessToken: string,
  credential: ExchangeCredential,
): { grantType: string; params: Record<string, string> } {
  const scope = credential.scope.length > 0 ? { scope: renderScope(credential.scope) } : {}
  if (credential.kind === 'onBehalfOf') {
    return {
      grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      params: { assertion: accessToken, requested_token_use: 'on_behalf_of', ...scope },
    }
  }
  const { audience, resource, requestedTokenType } = credential
  return {
    grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
    params: {
      subject_token: accessToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...(audience !== undefined && { audience }),
      ...(resource !== undefined && { resource }),
      ...(requestedTokenType !== undefined && { requested_token_type: requestedTokenType }),
      ...scope,
    },
  }
}
