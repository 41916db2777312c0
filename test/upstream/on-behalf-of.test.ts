import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { ADELE, type Entra } from '../support/upstreams/entra.ts'
import type { EntraCode } from '../support/upstreams/entra-errors.ts'
import type { Tokens } from '../support/upstreams/mcp-user.ts'
import { findGrant, type Scene, stageEntra } from '../support/upstreams/scene.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'

const stage = (scope = ['api://crm/.default'], upstream?: (vendor: Entra) => object) =>
  stageEntra(vendor => ({ ...upstream?.(vendor) }), {
    more: async (_callback, url) => ({
      backends: [{ path: '/crm/mcp', instances: [url], credential: { onBehalfOf: { scope } } }],
    }),
  })

const exchanges = ({ vendor }: Scene<Entra>) =>
  vendor.requestsTo('token').filter(({ form }) => form.grant_type === JWT_BEARER)

const grantOf = ({ replicas }: Scene<Entra>, { refresh_token: token }: Tokens) =>
  findGrant(replicas, token)

describe('Entra ID, on behalf of the user', () => {
  it('is asked with exactly what it wants, and the backend gets what it gives', async () => {
    const scene = await stage()
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    expect(await user.call(tokens.access_token)).toBe(200)
    const { upstreamTokens } = await grantOf(scene, tokens)
    expect(exchanges(scene).map(({ form }) => form)).toEqual([
      {
        grant_type: JWT_BEARER,
        assertion: upstreamTokens.accessToken,
        requested_token_use: 'on_behalf_of',
        scope: 'api://crm/.default',
        client_id: vendor.client.clientId,
        client_secret: vendor.client.clientSecret,
      },
    ])
    expect(replicas.backendTokens).toEqual([`Bearer ${upstreamTokens.derived?.accessToken}`])
    const given = decodeJwt(upstreamTokens.derived?.accessToken ?? '')
    expect(given).toMatchObject({ aud: 'api://crm', oid: ADELE.oid, azp: vendor.client.clientId })
    for (const _call of [1, 2, 3]) expect(await user.call(tokens.access_token)).toBe(200)
    expect(exchanges(scene)).toHaveLength(1)
    expect(await replicas.metrics()).toContain(
      'mcp_gateway_upstream_exchange_seconds_count{backend="crm",result="exchanged"} 1',
    )
  })

  it('exchanges a refreshed login when what it gave has ended', async () => {
    const scene = await stage()
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    await user.call(tokens.access_token)
    replicas.advance(3700)
    const { body } = await user.refresh(tokens.refresh_token)
    expect(await user.call(body.access_token ?? '')).toBe(200)
    const [first, second] = exchanges(scene).map(({ form }) => form.assertion)
    expect(first).not.toBe(second)
    const refreshes = vendor.requestsTo('token').filter(r => r.form.grant_type === 'refresh_token')
    expect(refreshes.map(({ form }) => form.scope)).toEqual([
      `openid profile email offline_access api://${vendor.client.clientId}/mcp.access`,
    ])
  })

  it.each<[EntraCode, Record<string, unknown>]>([
    [65001, { suberror: 'consent_required' }],
    [50057, {}],
    [50076, { suberror: 'basic_action' }],
    [50173, {}],
  ])('ends the grant where only a login can help: AADSTS%i', async (code, more) => {
    const scene = await stage()
    const { vendor, user } = scene
    const tokens = await user.signIn()
    vendor.refuseOnBehalfOf(ADELE, code, more)
    expect(await user.call(tokens.access_token)).toBe(401)
    expect((await grantOf(scene, tokens)).dead).toBeDefined()
    const asked = exchanges(scene).length
    expect(await user.call(tokens.access_token)).toBe(401)
    expect(exchanges(scene)).toHaveLength(asked)
  })

  it.each<[EntraCode, string]>([
    [50013, 'the assertion is not signed by this tenant'],
    [500131, 'the assertion is for another application'],
    [500011, 'there is no such API'],
    [7000215, 'the secret is wrong'],
    [70011, 'the scope is malformed'],
  ])('keeps the grant where only the operator can help: AADSTS%i, %s', async code => {
    const scene = await stage()
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    vendor.refuseOnBehalfOf(ADELE, code)
    expect(await user.call(tokens.access_token)).toBe(503)
    expect((await grantOf(scene, tokens)).dead).toBeUndefined()
    expect(replicas.log()).toContain('the upstream refuses this gateway')
    expect(replicas.log()).toContain(`AADSTS${code}`)
  })

  it('leaves Entra alone where it has noticed a loop: AADSTS50196', async () => {
    const scene = await stage()
    const tokens = await scene.user.signIn()
    scene.vendor.refuseOnBehalfOf(ADELE, 50196)
    expect(await scene.user.call(tokens.access_token)).toBe(503)
    expect((await grantOf(scene, tokens)).dead).toBeUndefined()
    expect(exchanges(scene)).toHaveLength(1)
  })

  it('carries the claims that Entra wants to the next login, which then comes through', async () => {
    const scene = await stage()
    const { vendor, user } = scene
    const tokens = await user.signIn()
    vendor.requireClaims(ADELE, CLAIMS, 'onBehalfOf')
    expect(await user.call(tokens.access_token)).toBe(401)
    expect((await grantOf(scene, tokens)).dead).toMatchObject({
      error: 'interaction_required',
      claims: CLAIMS,
    })
    const again = await user.signIn()
    expect(vendor.requestsTo('authorize').map(({ query }) => query.claims)).toEqual([
      undefined,
      undefined,
      CLAIMS,
    ])
    expect(await user.call(again.access_token)).toBe(200)
  })

  it("with scopes of two APIs is refused by Entra's own rule, and that is for the operator", async () => {
    const scene = await stage(['api://crm/read', 'api://files/read'])
    const tokens = await scene.user.signIn()
    expect(await scene.user.call(tokens.access_token)).toBe(503)
    expect(scene.replicas.log()).toContain('AADSTS28000')
  })
})

describe('the emulator of Entra ID', () => {
  const ask = async ({ vendor }: Scene<Entra>, form: Record<string, string>) => {
    const url = 'https://login.microsoftonline.com/t/oauth2/v2.0/token'
    const { clientId, clientSecret } = vendor.client
    const body = new URLSearchParams({
      ...{ grant_type: JWT_BEARER, client_id: clientId, client_secret: clientSecret },
      ...{ requested_token_use: 'on_behalf_of', scope: 'api://crm/.default', ...form },
    })
    const response = await vendor.send(url, { method: 'POST', body })
    return (await response.json()) as { error?: string; error_codes?: number[] }
  }

  it('takes its own access tokens for this application only', async () => {
    const scene = await stage()
    const tokens = await scene.user.signIn()
    const { accessToken } = (await grantOf(scene, tokens)).upstreamTokens
    expect(await ask(scene, { assertion: accessToken })).not.toHaveProperty('error')
    const now = Math.floor(Date.now() / 1000)
    const foreign = await scene.vendor.keys.sign({ aud: 'another-app', exp: now + 60 })
    expect(await ask(scene, { assertion: foreign })).toMatchObject({ error_codes: [500131] })
    const [head, body] = accessToken.split('.')
    expect(await ask(scene, { assertion: `${head}.${body}.AAAA` })).toMatchObject({
      error: 'invalid_grant',
      error_codes: [50013],
    })
    scene.vendor.skew(3700)
    expect(await ask(scene, { assertion: accessToken })).toMatchObject({ error_codes: [500133] })
  })

  it('wants requested_token_use, and an API that it knows', async () => {
    const scene = await stage()
    const tokens = await scene.user.signIn()
    const assertion = (await grantOf(scene, tokens)).upstreamTokens.accessToken
    expect(await ask(scene, { assertion, requested_token_use: '' })).toMatchObject({
      error_codes: [900144],
    })
    expect(await ask(scene, { assertion, scope: 'api://nobody/.default' })).toMatchObject({
      error: 'invalid_resource',
      error_codes: [500011],
    })
  })
})
