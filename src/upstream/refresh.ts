import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { refreshTokenGrant, type TokenEndpointResponse } from 'openid-client'
import type { Grant, Identity, UpstreamTokens } from '../domain/grant.ts'
import { renderScope } from '../domain/scope.ts'
import type { UpstreamClient } from './client.ts'
import { purposeOf, type RefreshCredential } from './credential.ts'
import { classifyFailure, type UpstreamFailure } from './failure.ts'
import { readIdentity } from './identity.ts'
import type { UpstreamOptions } from './options.ts'
import { readTokens } from './token-response.ts'

export type RefreshResult =
  | { outcome: 'refreshed'; tokens: UpstreamTokens; identity?: Identity }
  | { outcome: 'failed'; failure: UpstreamFailure }

const TRIES = 3
const FIRST_BACKOFF_MS = 200

/**
 * Redeems the grant's upstream refresh token. Tries again after a failure that certainly had no effect, with exponential backoff and jitter, until `signal` says
 * that the time is up; after one that may have had an effect only where the upstream forgives it. Never throws for what the upstream does.
 *
 * @param wanted what to ask for instead of what the login asked for
 */
export async function refreshUpstreamTokens(
  client: UpstreamClient,
  options: UpstreamOptions,
  grant: Grant,
  now: () => number,
  signal: AbortSignal,
  wanted?: RefreshCredential,
): Promise<RefreshResult> {
  const refreshToken = grant.upstreamTokens.refreshToken
  if (refreshToken === undefined)
    return { outcome: 'failed', failure: { kind: 'dead', error: 'no_refresh_token' } }
  for (let tried = 1; ; tried += 1) {
    const redeemed = await redeemOnce(client, options, grant, refreshToken, signal, wanted)
    if ('response' in redeemed) {
      return readRefreshed(options, grant, redeemed.response, redeemed.idToken, now(), wanted)
    }
    const failure = redeemed
    const again = mayRepeat(failure, options) && tried < TRIES && !signal.aborted
    if (!again || !(await waitBefore(tried, failure, signal))) return { outcome: 'failed', failure }
  }
}

type Redeemed = { response: TokenEndpointResponse; idToken: string | undefined }

async function redeemOnce(
  client: UpstreamClient,
  options: UpstreamOptions,
  grant: Grant,
  refreshToken: string,
  signal: AbortSignal,
  wanted: RefreshCredential | undefined,
): Promise<Redeemed | UpstreamFailure> {
  const configuration = await within(signal, client.configuration()).catch(thrown =>
    classifyFailure(thrown, options.failures),
  )
  // Whatever went wrong with discovery, nothing that can be spent was sent.
  if ('kind' in configuration) return { ...configuration, kind: 'transient' }
  const params = refreshParams(options, grant, wanted)
  const redeem = () => refreshTokenGrant(configuration, refreshToken, params)
  try {
    const { result, idToken } = await client.refreshing(signal, redeem)
    return { response: result, idToken }
  } catch (thrown) {
    return classifyFailure(thrown, options.failures)
  }
}

/** What is asked for goes on, for others want it too; the waiting ends with `signal`. */
export async function within<T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([wanted, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function refreshParams(
  options: UpstreamOptions,
  { upstreamTokens }: Grant,
  wanted: RefreshCredential | undefined,
): Record<string, string> {
  if (wanted) {
    return { ...options.refreshParams, ...wanted.params, scope: renderScope(wanted.scope) }
  }
  // What was granted for another purpose is not what the login was granted.
  const granted = upstreamTokens.purpose === undefined ? upstreamTokens.scope : undefined
  const scope = options.refreshScope === 'granted' ? (granted ?? options.scopes) : options.scopes
  return {
    ...options.refreshParams,
    ...(options.refreshScope !== 'none' && { scope: renderScope(scope) }),
  }
}

/**
 * The claims of a renewed ID token replace those that were kept. It came straight from the token endpoint over TLS, so its signature adds nothing (OpenID Connect Core
 * section 3.1.3.7, point 6); but it must be about the same user, or the tokens are somebody else's.
 */
function readRefreshed(
  options: UpstreamOptions,
  grant: Grant,
  response: TokenEndpointResponse,
  idToken: string | undefined,
  now: number,
  wanted: RefreshCredential | undefined,
): RefreshResult {
  const purpose = wanted && purposeOf(wanted)
  const read = readTokens(response, now, grant.upstreamTokens, options.unstatedLifeSeconds)
  const tokens = { ...read, ...(purpose !== undefined && { purpose }) }
  const identity = idToken === undefined ? undefined : decodeIdentity(idToken, options)
  if (!identity) return { outcome: 'refreshed', tokens }
  if (identity.subject !== grant.identity.subject || identity.issuer !== grant.identity.issuer) {
    return { outcome: 'failed', failure: { kind: 'dead', error: 'subject_changed' } }
  }
  return { outcome: 'refreshed', tokens, identity }
}

function decodeIdentity(
  idToken: string,
  { claims, keptClaims }: UpstreamOptions,
): Identity | undefined {
  try {
    return readIdentity(decodeJwt(idToken), claims, keptClaims)
  } catch {
    return undefined
  }
}

function mayRepeat(failure: UpstreamFailure, options: UpstreamOptions): boolean {
  return failure.kind === 'transient' || (failure.kind === 'ambiguous' && options.repeatsRefresh)
}

/** @returns whether there is still time to try again */
export async function waitBefore(
  tried: number,
  failure: UpstreamFailure,
  signal: AbortSignal,
): Promise<boolean> {
  const backoff = FIRST_BACKOFF_MS * 2 ** (tried - 1) * (0.5 + Math.random())
  // An upstream that names a longer time than a caller can wait for is left alone until then.
  const waitMs = Math.max(backoff, (failure.retryAfterSeconds ?? 0) * 1000)
  if (waitMs > 2000) return false
  try {
    await delay(waitMs, undefined, { signal })
    return true
  } catch {
    return false
  }
}
