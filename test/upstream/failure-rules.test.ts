import { ResponseBodyError } from 'openid-client'
import { describe, expect, it } from 'vitest'
import { classifyFailure, type UpstreamFailure } from '../../src/upstream/failure.ts'
import { findFailureRule } from '../../src/upstream/failure-rules.ts'
import { PRESETS, type PresetName } from '../../src/upstream/presets.ts'
import { type EntraCode, renderEntraError } from '../support/upstreams/entra-errors.ts'

/** What a token endpoint's error is to a preset. */
function classify(
  provider: PresetName,
  status: number,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<UpstreamFailure> {
  const response = new Response(null, { status, headers })
  const cause = body as { error: string }
  return classifyFailure(
    new ResponseBodyError('refused', { cause, response }),
    PRESETS[provider].failures,
  )
}

const entra = (code: EntraCode, more?: Record<string, unknown>) => {
  const answer = renderEntraError(code, more)
  if (!('json' in answer)) throw new Error('no JSON')
  return classify('entra', answer.status ?? 200, answer.json as Record<string, unknown>)
}

describe('errors of Entra', () => {
  it.each<[EntraCode, UpstreamFailure['kind'], UpstreamFailure['problem']]>([
    [28003, 'operator', undefined],
    [50020, 'dead', 'wrong-tenant'],
    [50057, 'dead', 'account-disabled'],
    [50076, 'dead', 'conditional-access'],
    [50105, 'dead', 'not-assigned'],
    [50173, 'dead', undefined],
    [65001, 'dead', 'consent-missing'],
    [70000, 'dead', undefined],
    [70008, 'dead', undefined],
    [70011, 'operator', undefined],
    [90009, 'operator', undefined],
    [700027, 'operator', undefined],
    [7000215, 'operator', undefined],
    [9010010, 'operator', undefined],
  ])('AADSTS%i is %s', async (code, kind, problem) => {
    const failure = await entra(code)
    expect({ kind: failure.kind, problem: failure.problem }).toEqual({ kind, problem })
  })

  it('AADSTS50196 is no statement about the token, and asks to be left alone for a while', async () => {
    expect(await entra(50196)).toMatchObject({
      kind: 'transient',
      error: 'invalid_grant',
      retryAfterSeconds: 60,
    })
  })

  it('keeps the claims that conditional access wants', async () => {
    const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    expect(await entra(50076, { claims })).toMatchObject({ claims })
  })

  it('is read by its code on the callback too, where it is part of the text', () => {
    const { failures } = PRESETS.entra
    const description = 'AADSTS65001: The user or administrator has not consented. Trace ID: 50057'
    expect(findFailureRule(failures, { error: 'access_denied', description })?.problem).toBe(
      'consent-missing',
    )
    const declined = 'AADSTS65004: User declined to consent.'
    const refusal = { error: 'access_denied', description: declined }
    expect(findFailureRule(failures, refusal)).toBeUndefined()
  })
})

describe('errors of others', () => {
  it.each<[PresetName, number, string, string, UpstreamFailure['kind'], string | undefined]>([
    ['auth0', 403, 'invalid_grant', 'Unknown or invalid refresh token.', 'dead', undefined],
    [
      'auth0',
      403,
      'mfa_required',
      'Multifactor authentication required',
      'dead',
      'conditional-access',
    ],
    ['auth0', 403, 'unauthorized', 'user is blocked', 'dead', 'account-disabled'],
    ['okta', 400, 'invalid_grant', 'The refresh token is invalid or expired.', 'dead', undefined],
    ['google', 400, 'invalid_grant', 'Token has been expired or revoked.', 'dead', undefined],
    ['keycloak', 400, 'invalid_grant', 'User disabled', 'dead', 'account-disabled'],
    ['cognito', 400, 'invalid_grant', 'User is disabled.', 'dead', 'account-disabled'],
    ['github', 400, 'bad_refresh_token', 'It is expired.', 'dead', undefined],
    ['github', 400, 'incorrect_client_credentials', 'It is wrong.', 'operator', undefined],
    ['oidc', 400, 'invalid_grant', '', 'dead', undefined],
    ['oidc', 401, 'invalid_client', '', 'operator', undefined],
    ['oidc', 400, 'something_new', '', 'transient', undefined],
  ])('%s: %i %s %j is %s', async (provider, status, error, text, kind, problem) => {
    const failure = await classify(provider, status, { error, error_description: text })
    expect({ kind: failure.kind, problem: failure.problem }).toEqual({ kind, problem })
  })

  it.each([408, 429, 500, 503])('a %i is transient, whatever its body says', async status => {
    const body = { error: 'invalid_grant', error_codes: [50173] }
    expect(await classify('entra', status, body)).toMatchObject({ kind: 'transient' })
  })

  it("an upstream's own Retry-After counts more than a preset's", async () => {
    const body = { error: 'invalid_grant', error_codes: [50196] }
    expect(await classify('entra', 400, body, { 'retry-after': '7' })).toMatchObject({
      kind: 'transient',
      retryAfterSeconds: 7,
    })
  })

  it('not assigned, at Okta, is told from a person who cancels', () => {
    const error = 'access_denied'
    const { failures } = PRESETS.okta
    const description = 'User is not assigned to the client application.'
    expect(findFailureRule(failures, { error, description })?.problem).toBe('not-assigned')
    const cancelled = { error, description: 'The resource owner denied the request.' }
    expect(findFailureRule(failures, cancelled)).toBeUndefined()
  })
})
