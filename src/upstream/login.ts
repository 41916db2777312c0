import {
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomPKCECodeVerifier,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
} from 'openid-client'
import type { Identity, UpstreamTokens } from '../domain/grant.ts'
import { OutageError } from '../domain/outage.ts'
import { createSecret } from '../domain/secret.ts'
import type { UpstreamClient } from './client.ts'
import { classifyFailure, type UpstreamFailure } from './failure.ts'
import { findFailureRule, type SignInProblem } from './failure-rules.ts'
import { InvalidAnswer } from './id-token.ts'
import { find, readIdentity } from './identity.ts'
import type { Tenancy, UpstreamOptions } from './options.ts'
import { readTokens } from './token-response.ts'
import { fetchUserClaims } from './user.ts'

/** A login as it leaves for the upstream: where the browser goes, and what must be kept until it comes back. */
export type LoginStart = { url: string; upstreamState: string; codeVerifier: string; nonce: string }

/** What the client's own request passes on to the upstream, and what the upstream wants of this login (`claims`). */
export type LoginHints = { prompt?: string; loginHint?: string; claims?: string }

export type LoginExpectation = { upstreamState: string; codeVerifier: string; nonce: string }

/**
 * - `completed`: the user signed in.
 * - `refused`: the upstream sent the browser back with an error of its own.
 * - `failed`: the upstream's token endpoint, or its answer, was not as it must be.
 */
export type LoginResult =
  | { outcome: 'completed'; tokens: UpstreamTokens; identity: Identity }
  | { outcome: 'refused'; error: string; description?: string; problem?: SignInProblem }
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
  const { authorizeParams, endpoints, callbackUrl, scopes } = options
  const prompt = joinPrompts(authorizeParams.prompt, hints.prompt)
  const url = buildAuthorizationUrl(configuration, {
    ...authorizeParams,
    ...(prompt !== undefined && { prompt }),
    ...(hints.loginHint !== undefined && { login_hint: hints.loginHint }),
    ...(hints.claims !== undefined && { claims: hints.claims }),
    redirect_uri: callbackUrl,
    response_type: 'code',
    scope: scopes.join(' '),
    state: upstreamState,
    ...(!endpoints && { nonce }),
    code_challenge: await calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
  })
  return { url: url.href, upstreamState, codeVerifier, nonce }
}

/** What the upstream needs and what the client wants: neither replaces the other. */
function joinPrompts(ours: string | undefined, theirs: string | undefined): string | undefined {
  const prompts = [ours, theirs].flatMap(prompt => prompt?.split(' ').filter(Boolean) ?? [])
  return prompts.length === 0 ? undefined : [...new Set(prompts)].join(' ')
}

/**
 * Redeems the upstream's code: `state`, `iss`, PKCE, and the ID token's signature, issuer, audience, nonce and tenant are all checked.
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
  try {
    if (options.issParam === 'require' && !answer.has('iss')) throw new InvalidAnswer('missing_iss')
    const configuration = await client.configuration()
    const { issuer } = configuration.serverMetadata()
    const response = await authorizationCodeGrant(
      configuration,
      callbackUrl(options, issuer, answer),
      {
        expectedState: expected.upstreamState,
        pkceCodeVerifier: expected.codeVerifier,
        ...(!options.endpoints && { expectedNonce: expected.nonce, idTokenExpected: true }),
      },
      { ...options.codeParams },
    )
    const claims = await findClaims(client, options, response)
    if (!isOfTenant(claims, options.tenancy)) {
      return { outcome: 'refused', error: 'wrong_tenant', problem: 'wrong-tenant' }
    }
    const identity = readIdentity(claims, options.claims, options.keptClaims)
    if (!identity) throw new InvalidAnswer('missing_subject')
    const tokens = readTokens(response, now(), undefined, options.unstatedLifeSeconds)
    return { outcome: 'completed', tokens, identity }
  } catch (thrown) {
    return describeFailure(thrown, options)
  }
}

/** What the upstream says of the user, verified: the claims of the ID token, or the user that the access token belongs to. */
async function findClaims(
  client: UpstreamClient,
  options: UpstreamOptions,
  response: TokenEndpointResponse & TokenEndpointResponseHelpers,
): Promise<Readonly<Record<string, unknown>>> {
  if (options.endpoints) {
    const { user } = options.endpoints
    return fetchUserClaims(await client.configuration(), options, user, response.access_token)
  }
  const { id_token: idToken } = response
  const claims = response.claims()
  if (idToken === undefined || !claims) throw new InvalidAnswer('missing_id_token')
  const idTokens = await client.idTokens()
  await idTokens.verify(idToken, claims)
  return claims
}

function isOfTenant(
  claims: Readonly<Record<string, unknown>>,
  tenancy: Tenancy | undefined,
): boolean {
  if (!tenancy) return true
  const tenant = find(claims, tenancy.claim)
  return typeof tenant === 'string' && tenancy.allowed.includes(tenant)
}

async function describeFailure(thrown: unknown, options: UpstreamOptions): Promise<LoginResult> {
  if (thrown instanceof AuthorizationResponseError) {
    const { error, error_description: description } = thrown
    const problem = findFailureRule(options.failures ?? [], { error, description })?.problem
    return {
      outcome: 'refused',
      error,
      ...(description !== undefined && { description }),
      ...(problem && { problem }),
    }
  }
  return { outcome: 'failed', failure: await classifyLogin(thrown, options), cause: thrown }
}

async function classifyLogin(thrown: unknown, options: UpstreamOptions): Promise<UpstreamFailure> {
  if (thrown instanceof InvalidAnswer) return { kind: 'invalid', error: thrown.error }
  if (thrown instanceof OutageError) return { kind: 'transient', error: thrown.dependency }
  return classifyFailure(thrown, options.failures)
}

/** Built from the configured callback URL, never from what the request claims its host to be. */
function callbackUrl(
  { callbackUrl, issParam }: UpstreamOptions,
  issuer: string,
  answer: URLSearchParams,
): URL {
  const url = new URL(callbackUrl)
  // An issuer that several tenants share is a template; the ID token says which tenant it was.
  const isIgnored = issParam === 'ignore' || issuer.includes('{tenantid}')
  for (const [name, value] of answer) {
    if (name !== 'iss' || !isIgnored) url.searchParams.append(name, value)
  }
  return url
}
