import { tokenRevocation } from 'openid-client'
import type { Grant, UpstreamTokens } from '../domain/grant.ts'
import { createUpstreamClient } from './client.ts'
import type { ExchangeCredential, RefreshCredential } from './credential.ts'
import { type ExchangeResult, exchangeUpstreamToken } from './exchange.ts'
import {
  beginLogin,
  completeLogin,
  type LoginExpectation,
  type LoginHints,
  type LoginResult,
  type LoginStart,
} from './login.ts'
import type { UpstreamOptions } from './options.ts'
import { type RefreshResult, refreshUpstreamTokens } from './refresh.ts'

/** One identity provider, as the rest of the gateway needs it. */
export type Upstream = {
  name: string
  /** Has its metadata at hand from then on. Rejects where they cannot be had. */
  discover(): Promise<void>
  /** Rejects where discovery does not answer. */
  beginLogin(hints: LoginHints): Promise<LoginStart>
  completeLogin(answer: URLSearchParams, expected: LoginExpectation): Promise<LoginResult>
  /**
   * Bounded by `signal`, which cancels the request itself.
   *
   * @param wanted what to ask for instead of what the login asked for
   */
  refresh(grant: Grant, signal: AbortSignal, wanted?: RefreshCredential): Promise<RefreshResult>
  /** Exchanges the access token for the backend's; bounded by `signal`. */
  exchange(
    grant: Grant,
    credential: ExchangeCredential,
    signal: AbortSignal,
  ): Promise<ExchangeResult>
  /**
   * Revokes the upstream's own refresh token. Resolves to whether the upstream could: many have no such endpoint.
   *
   * @see RFC 7009
   */
  revoke(tokens: UpstreamTokens): Promise<boolean>
  /** The same for tokens of a login that led to no grant, but not where it would end the user's other logins too. */
  abandon(tokens: UpstreamTokens): Promise<boolean>
}

/**
 * @param now epoch seconds
 * @param send takes every request to the upstream
 */
export function createUpstream(
  options: UpstreamOptions,
  now: () => number,
  send: typeof fetch = fetch,
): Upstream {
  const client = createUpstreamClient(options, send)
  const revoke: Upstream['revoke'] = async ({ refreshToken }) => {
    const configuration = await client.configuration()
    if (refreshToken === undefined || !configuration.serverMetadata().revocation_endpoint)
      return false
    await tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' })
    return true
  }
  return {
    name: options.name,
    discover: async () => void (await client.configuration()),
    beginLogin: hints => beginLogin(client, options, hints),
    completeLogin: (answer, expected) => completeLogin(client, options, answer, expected, now),
    refresh: (grant, signal, wanted) =>
      refreshUpstreamTokens(client, options, grant, now, signal, wanted),
    exchange: (grant, credential, signal) =>
      exchangeUpstreamToken(client, options, grant, credential, now, signal),
    revoke,
    abandon: async tokens => (options.revokesAll ? false : revoke(tokens)),
  }
}

export type { SignInProblem } from './failure-rules.ts'
export type { LoginResult, LoginStart }
