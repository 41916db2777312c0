import {
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomPKCECodeVerifier,
} from 'openid-client'
import type { Identity, UpstreamTokens } from '../domain/grant.ts'
import { createSecret } from '../domain/secret.ts'
import type { UpstreamClient } from './client.ts'
import { classifyFailure, type UpstreamFailure } from './failure.ts'
import { readIdentity } from './identity.ts'
import type { UpstreamOptions } from './options.ts'
import { readTokens } from './token-response.ts'

/** A login as it leaves for the upstream: where the browser goes, and what must be kept until it comes back. */
export type LoginStart = { url: string; upstreamState: string; codeVerifier: string; nonce: string }

/** What the client's own request passes on to the upstream. */
export type LoginHints = { prompt?: string; loginHint?: string }

export type LoginExpectation = { upstreamState: string; codeVerifier: string; nonce: string }

/**
 * - `completed`: the user signed in.
 * - `refused`: the upstream sent the browser back with an error of its own.
 * - `failed`: the upstream's token endpoint, or its answer, was not as it must be.
 */
export type LoginResult =
  | { outcome: 'completed'; tokens: UpstreamTokens; identity: Identity }
  | { outcome: 'refused'; error: string; description?: string }
  | { outcome: 'failed'; failure: UpstreamFailure; cause: unknown }

/** PKCE is sent whether the upstream advertises it or not: those that do not know it ignore it. */
export async function beginLogin(
  client: UpstreamClient,
  options: UpstreamOptions,
  hints: LoginHints,
): Promise<LoginStart> {
  const configuration = await client.configuration()
  const upstreamState = createSecret()
  const nonce = createSecret()
  const codeVerifier = randomPKCECodeVerifier()
  const url = buildAuthorizationUrl(configuration, {
    ...options.authorizeParams,
    ...(hints.prompt !== undefined && { prompt: hints.prompt }),
    ...(hints.loginHint !== undefined && { login_hint: hints.loginHint }),
    redirect_uri: options.callbackUrl,
    response_type: 'code',
    scope: options.scopes.join(' '),
    state: upstreamState,
    nonce,
    code_challenge: await calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
  })
  return { url: url.href, upstreamState, codeVerifier, nonce }
}

/**
 * Redeems the upstream's code: `state`, `iss`, PKCE, and the ID token's signature, issuer, audience and nonce are all checked.
 *
 * @param answer the callback's query
 * @param now epoch seconds
 */
export async function completeLogin(
  client: UpstreamClient,
  options: UpstreamOptions,
  answer: URLSearchParams,
  expected: LoginExpectation,
  now: () => number,
): Promise<LoginResult> {
  if (options.issParam === 'require' && !answer.has('iss')) return invalidAnswer('missing_iss')
  try {
    const response = await authorizationCodeGrant(
      await client.configuration(),
      callbackUrl(options, answer),
      {
        expectedState: expected.upstreamState,
        expectedNonce: expected.nonce,
        pkceCodeVerifier: expected.codeVerifier,
        idTokenExpected: true,
      },
      { ...options.codeParams },
    )
    const identity = readIdentity(response.claims() ?? {})
    if (!identity) return invalidAnswer('missing_subject')
    return { outcome: 'completed', tokens: readTokens(response, now()), identity }
  } catch (thrown) {
    if (thrown instanceof AuthorizationResponseError) {
      const description = thrown.error_description
      return {
        outcome: 'refused',
        error: thrown.error,
        ...(description !== undefined && { description }),
      }
    }
    return { outcome: 'failed', failure: await classifyFailure(thrown), cause: thrown }
  }
}

/** Built from the configured callback URL, never from what the request claims its host to be. */
function callbackUrl(options: UpstreamOptions, answer: URLSearchParams): URL {
  const url = new URL(options.callbackUrl)
  for (const [name, value] of answer) {
    if (name !== 'iss' || options.issParam !== 'ignore') url.searchParams.append(name, value)
  }
  return url
}

function invalidAnswer(error: string): LoginResult {
  return { outcome: 'failed', failure: { kind: 'invalid', error }, cause: undefined }
}
