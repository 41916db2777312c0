import { describe, expect, it } from 'vitest'
import { TENANT } from '../support/upstreams/entra.ts'
import { startGitHub } from '../support/upstreams/github.ts'
import {
  API,
  AUTH0,
  COGNITO,
  createGoogle,
  KEYCLOAK,
  OIDC,
  OKTA,
} from '../support/upstreams/oidc-profiles.ts'
import { findGrant, type Scene, stage, stageEntra, stageOidc } from '../support/upstreams/scene.ts'
import type { VendorRequest, VendorServer } from '../support/upstreams/vendor-server.ts'
import { waitFor } from '../support/wait-for.ts'

const secret = expect.stringMatching(/^[\w.~-]{20,}$/)
const nonce = { nonce: secret }
const STANDARD = 'openid profile email offline_access'

type Preset = {
  provider: string
  stage: () => Promise<Scene>
  /** Last parts of their paths; no `revoke` where the provider has none. */
  endpoints: { authorize: string; token: string; revoke?: string }
  clientId?: string
  /** How long an upstream access token lives. */
  lifeSeconds: number
  /** What the requests say besides what they always say. `{clientId}` is that. */
  authorize: Record<string, unknown>
  code: Record<string, string>
  refresh: Record<string, string>
}

const OIDC_PROVIDER = {
  endpoints: { authorize: 'auth', token: 'token', revoke: 'revocation' },
  lifeSeconds: 300,
  code: {},
  refresh: {},
}

const PRESETS: Preset[] = [
  {
    provider: 'entra',
    stage: stageEntra,
    endpoints: { authorize: 'authorize', token: 'token' },
    lifeSeconds: 3600,
    authorize: { scope: `${STANDARD} api://{clientId}/mcp.access`, ...nonce },
    code: { scope: `${STANDARD} api://{clientId}/mcp.access` },
    refresh: { scope: `${STANDARD} api://{clientId}/mcp.access` },
  },
  {
    ...OIDC_PROVIDER,
    provider: 'auth0',
    stage: () =>
      stageOidc(AUTH0, ({ issuer }) => ({
        provider: 'auth0',
        domain: 'example.eu.auth0.com',
        audience: API,
        issuer,
      })),
    authorize: { scope: STANDARD, audience: API, ...nonce },
  },
  {
    ...OIDC_PROVIDER,
    provider: 'okta',
    stage: () =>
      stageOidc(OKTA, ({ issuer }) => ({ provider: 'okta', domain: 'example.okta.com', issuer })),
    authorize: { scope: STANDARD, ...nonce },
    refresh: { scope: STANDARD },
  },
  {
    ...OIDC_PROVIDER,
    provider: 'google',
    stage: () =>
      stageOidc(createGoogle(), ({ issuer }) => ({
        provider: 'google',
        hostedDomain: 'example.com',
        issuer,
      })),
    authorize: {
      scope: 'openid profile email',
      access_type: 'offline',
      prompt: 'consent',
      hd: 'example.com',
      ...nonce,
    },
  },
  {
    ...OIDC_PROVIDER,
    provider: 'keycloak',
    stage: () =>
      stageOidc(KEYCLOAK, ({ origin }) => ({
        provider: 'keycloak',
        baseUrl: origin,
        realm: 'main',
      })),
    authorize: { scope: STANDARD, ...nonce },
  },
  {
    ...OIDC_PROVIDER,
    provider: 'cognito',
    stage: () =>
      stageOidc(COGNITO, ({ issuer }) => ({
        provider: 'cognito',
        region: 'eu-central-1',
        userPoolId: 'eu-central-1_Example',
        issuer,
      })),
    authorize: { scope: 'openid profile email', ...nonce },
  },
  {
    provider: 'github',
    stage: () =>
      stage(
        () => startGitHub(),
        ({ clientId, clientSecret }) => ({
          provider: 'github',
          clientId,
          clientSecret,
        }),
      ),
    endpoints: { authorize: 'authorize', token: 'access_token' },
    lifeSeconds: 28_800,
    authorize: { scope: 'read:user user:email' },
    code: {},
    refresh: {},
  },
  {
    ...OIDC_PROVIDER,
    provider: 'oidc',
    stage: () => stageOidc(OIDC, ({ issuer }) => ({ provider: 'oidc', issuer })),
    authorize: { scope: STANDARD, ...nonce },
    refresh: { scope: STANDARD },
  },
]

describe.each(PRESETS)('provider: $provider', preset => {
  const { endpoints, lifeSeconds } = preset

  it('sends to the provider exactly what it wants, at each step, from any replica', async () => {
    const { vendor, replicas, user } = await preset.stage()
    const tokens = await user.signIn()
    const [login] = vendor.requestsTo(endpoints.authorize)
    const clientId = login?.query.client_id ?? ''
    const of = (parameters: Record<string, unknown>) =>
      JSON.parse(JSON.stringify(parameters).replaceAll('{clientId}', clientId))
    const client = { client_id: clientId, client_secret: secret }
    expect(login?.query).toEqual({
      ...preset.authorize,
      ...of({ scope: preset.authorize.scope }),
      client_id: clientId,
      response_type: 'code',
      redirect_uri: replicas.callbackUrl,
      state: secret,
      code_challenge: secret,
      code_challenge_method: 'S256',
    })
    replicas.advance(lifeSeconds + 100)
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
    expect(formsTo(vendor, endpoints.token)).toEqual([
      {
        ...of(preset.code),
        ...client,
        grant_type: 'authorization_code',
        code: secret,
        redirect_uri: replicas.callbackUrl,
        code_verifier: secret,
      },
      { ...of(preset.refresh), ...client, grant_type: 'refresh_token', refresh_token: secret },
    ])
  })

  it('signs in, refreshes, revokes the token of the provider, and signs in again', async () => {
    const { vendor, replicas, user } = await preset.stage()
    const first = await user.signIn()
    expect(await user.call(first.access_token)).toBe(200)
    replicas.advance(lifeSeconds + 100)
    const second = (await user.refresh(first.refresh_token)).body
    expect(await user.call(second.access_token!)).toBe(200)
    const { upstreamTokens } = await findGrant(replicas, second.refresh_token!)
    expect(replicas.backendTokens.at(-1)).toBe(`Bearer ${upstreamTokens.accessToken}`)
    expect(replicas.backendTokens.at(-1)).not.toBe(replicas.backendTokens[0])

    expect(await user.revoke(second.refresh_token!)).toBe(200)
    expect(await user.call(second.access_token!)).toBe(401)
    const third = await user.signIn()
    expect(await user.call(third.access_token)).toBe(200)
    const { revoke } = endpoints
    const revoked = revoke === undefined ? [] : [upstreamTokens.refreshToken]
    const revocations = () => (revoke === undefined ? [] : formsTo(vendor, revoke))
    await waitFor(() => revocations().length === revoked.length, { what: 'the revocation' })
    expect(revocations()).toEqual(
      revoked.map(token => ({
        token,
        token_type_hint: 'refresh_token',
        client_id: 'gateway',
        client_secret: secret,
      })),
    )
  })
})

describe('provider: entra', () => {
  it('is asked for the tenant that is configured', async () => {
    const { vendor, user } = await stageEntra()
    await user.signIn()
    expect(vendor.requestsTo('token')[0]?.path).toBe(`/${TENANT}/oauth2/v2.0/token`)
  })
})

function formsTo(vendor: VendorServer, endpoint: string): VendorRequest['form'][] {
  return vendor.requestsTo(endpoint).map(({ form }) => form)
}
