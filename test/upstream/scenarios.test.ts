import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { complaints } from '../config/support.ts'
import { ADELE, OTHER_TENANT, TENANT } from '../support/upstreams/entra.ts'
import { OCTO, startGitHub } from '../support/upstreams/github.ts'
import type { Tokens } from '../support/upstreams/mcp-user.ts'
import { createGoogle, OIDC, OKTA } from '../support/upstreams/oidc-profiles.ts'
import type { OidcVendor } from '../support/upstreams/oidc-vendor.ts'
import type { Replicas } from '../support/upstreams/replicas.ts'
import { findGrant, type Scene, stage, stageEntra, stageOidc } from '../support/upstreams/scene.ts'
import type { VendorAnswer, VendorServer } from '../support/upstreams/vendor-server.ts'
import { waitFor } from '../support/wait-for.ts'

/** Upstream tokens of the plain provider live 300 s, access tokens of the gateway 900. */
const UPSTREAM_LIFE_SECONDS = 300

const stagePlain = (more: Record<string, unknown> = {}, count = 2): Promise<Scene<OidcVendor>> =>
  stageOidc(OIDC, ({ issuer }) => ({ provider: 'oidc', issuer, ...more }), { count })

const refreshes = (vendor: VendorServer) =>
  vendor.requests.filter(({ form }) => form.grant_type === 'refresh_token')

/** Calls until the call goes through: a failed grant is left alone for a moment. */
const callAgain = ({ user }: Scene, { access_token: token }: Tokens) =>
  waitFor(async () => (await user.call(token)) === 200, { what: 'a call that goes through' })

describe('scenarios that broke others', () => {
  it('1: resource, with and without a trailing slash, never reaches Entra', async () => {
    const { vendor, replicas, user } = await stageEntra()
    for (const resource of [replicas.resource, `${replicas.resource}/`]) {
      const tokens = await user.signIn({ resource })
      replicas.advance(3700)
      expect(await user.refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
    }
    expect(vendor.requestsTo('authorize')).toHaveLength(2)
    expect(vendor.requestsTo('token')).toHaveLength(4)
    const sent = vendor.requests.map(({ query, form }) => ({ ...query, ...form }))
    expect(sent.filter(parameters => 'resource' in parameters)).toEqual([])
  })

  it('2: a refresh at Entra carries the scope, and one that does not would be refused', async () => {
    const { vendor, replicas, user } = await stageEntra()
    const { refresh_token: refreshToken } = await user.signIn()
    replicas.advance(3700)
    expect(await user.refresh(refreshToken)).toMatchObject({ status: 200 })
    const [refresh] = refreshes(vendor)
    const scope = `openid profile email offline_access api://${vendor.client.clientId}/mcp.access`
    expect(refresh?.form.scope).toBe(scope)

    const { scope: _none, ...form } = refresh?.form ?? {}
    const bare = await vendor.send(`https://login.microsoftonline.com${refresh?.path}`, {
      method: 'POST',
      body: new URLSearchParams(form),
    })
    expect(await bare.json()).toMatchObject({ error_codes: [90009] })
  })

  it('3: .default beside named scopes is refused at start', () => {
    const upstream = {
      provider: 'entra',
      tenant: TENANT,
      clientId: 'gateway',
      clientSecret: 'upstream-secret',
    }
    expect(complaints({ upstream: { ...upstream, scopes: ['.default', 'mcp.access'] } })).toEqual([
      'upstream.scopes: .default stands alone: Entra refuses it beside named scopes (AADSTS70011)',
    ])
    expect(complaints({ upstream: { ...upstream, scopes: ['.default'] } })).toEqual([])
  })

  it('4: ten parallel calls at expiry are one refresh in one process', async () => {
    const { vendor, replicas, user } = await stagePlain({}, 1)
    const { access_token: token } = await user.signIn()
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    const calls = await Promise.all(Array.from({ length: 10 }, () => user.call(token)))
    expect(calls).toEqual(Array(10).fill(200))
    expect(refreshes(vendor)).toHaveLength(1)
    expect(new Set(replicas.backendTokens).size).toBe(1)
  })

  it('5: the same over three replicas, with reuse detection: the family survives', async () => {
    const scene = await stagePlain({}, 3)
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    for (const round of [1, 2]) {
      replicas.advance(UPSTREAM_LIFE_SECONDS)
      const calls = await Promise.all(
        Array.from({ length: 12 }, () => user.call(tokens.access_token)),
      )
      expect(calls).toEqual(Array(12).fill(200))
      expect(refreshes(vendor)).toHaveLength(round)
    }
  })

  it.each<[string, () => Promise<Scene>]>([
    ['Entra, whose old tokens stay valid', () => stageEntra()],
    [
      'Okta, within its grace period',
      () => stageOidc(OKTA, ({ issuer }) => ({ provider: 'okta', domain: 'a.okta.com', issuer })),
    ],
  ])(
    '6: the provider rotated and the answer was lost: the call goes through at %s',
    async (_, start) => {
      const { vendor, replicas, user } = await start()
      const { refresh_token: refreshToken } = await user.signIn()
      replicas.advance(3700)
      loseOne(vendor)
      const refreshed = await user.refresh(refreshToken)
      expect(await user.call(refreshed.body.access_token!)).toBe(200)
      const [lost, again, ...more] = refreshes(vendor)
      expect(again?.form.refresh_token).toBe(lost?.form.refresh_token)
      expect(more).toEqual([])
    },
  )

  it('6: where it does not, the token is not presented twice in a row, and the grant is kept until the provider says no', async () => {
    const { vendor, replicas, user } = await stagePlain()
    const tokens = await user.signIn()
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    loseOne(vendor)
    expect(await user.call(tokens.access_token)).toBe(503)
    expect(refreshes(vendor)).toHaveLength(1)
    expect((await findGrant(replicas, tokens.refresh_token)).dead).toBeUndefined()
    await waitFor(async () => (await user.call(tokens.access_token)) === 401, {
      what: 'the provider to end the family',
    })
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
  })

  it('7: a holder of the lease that is gone holds nobody up for longer than the lease', async () => {
    const { vendor, replicas, user } = await stagePlain()
    const tokens = await user.signIn()
    const { grantId } = await findGrant(replicas, tokens.refresh_token)
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    expect(await replicas.store.grants.claimUpstreamRefresh(grantId, 'killed')).toBeDefined()
    const claims = countClaims(replicas)
    const call = user.call(tokens.access_token)
    await waitFor(() => claims() > 0, { what: 'the call to find the lease held' })
    expect(refreshes(vendor)).toHaveLength(0)
    replicas.advance(20)
    expect(await call).toBe(200)
    expect(refreshes(vendor)).toHaveLength(1)
  })

  it('8: the late answer of an aborted refresh is not stored', async () => {
    const scene = await stagePlain({ timeout: '300ms', repeatsRefresh: true })
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    const late = Promise.withResolvers<VendorAnswer>()
    const stale = { access_token: 'late', token_type: 'bearer', expires_in: 3600 }
    vendor.intercept(({ form }) => (form.grant_type ? late.promise : undefined))
    expect(await user.call(tokens.access_token)).toBe(503)
    vendor.intercept(undefined)
    await callAgain(scene, tokens)
    const before = await findGrant(replicas, tokens.refresh_token)
    late.resolve({ json: { ...stale, refresh_token: 'late-refresh-token' } })
    await callAgain(scene, tokens)
    expect(await findGrant(replicas, tokens.refresh_token)).toEqual(before)
    expect(replicas.backendTokens).not.toContain('Bearer late')
  })

  it.each<[string, VendorAnswer]>([
    ['429', { status: 429, json: { error: 'invalid_grant' }, headers: { 'retry-after': '1' } }],
    ['503', { status: 503, json: { error: 'invalid_grant' } }],
    [
      'the HTML of a firewall with status 403',
      { status: 403, body: '<h1>Blocked</h1>', headers: { 'content-type': 'text/html' } },
    ],
    [
      'the HTML of a firewall with status 400',
      { status: 400, body: '<h1>Blocked</h1>', headers: { 'content-type': 'text/html' } },
    ],
  ])('9: %s deletes no tokens', async (_, answer) => {
    const scene = await stagePlain()
    const { vendor, replicas, user } = scene
    const tokens = await user.signIn()
    const { upstreamTokens } = await findGrant(replicas, tokens.refresh_token)
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    vendor.intercept(({ form }) => (form.grant_type ? answer : undefined))
    expect(await user.call(tokens.access_token)).toBe(503)
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
    expect(await findGrant(replicas, tokens.refresh_token)).toMatchObject({ upstreamTokens })
    vendor.intercept(undefined)
    await callAgain(scene, tokens)
  })

  it('10: invalid_grant of the provider is invalid_grant to the client, and not 500', async () => {
    const { vendor, replicas, user } = await stagePlain()
    const tokens = await user.signIn()
    vendor.revokeUser('alice')
    replicas.advance(UPSTREAM_LIFE_SECONDS)
    expect(await user.refresh(tokens.refresh_token)).toEqual({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'the refresh token cannot be redeemed' },
    })
    expect(await user.call(tokens.access_token)).toBe(401)
    const again = await user.signIn()
    expect(await user.call(again.access_token)).toBe(200)
  })

  it("11: GitHub's 200 with an error is a failure, at login and at refresh", async () => {
    const { vendor, replicas, user } = await stage(
      () => startGitHub(),
      ({ clientId, clientSecret }) => ({ provider: 'github', clientId, clientSecret }),
    )
    const refused = (error: string) => ({ json: { error, error_description: 'It was refused.' } })
    vendor.intercept(({ form }) => (form.code ? refused('bad_verification_code') : undefined))
    const page = await user.authorize()
    expect(new URL(page.url).searchParams.get('error')).toBe('server_error')

    vendor.intercept(({ form }) =>
      form.grant_type === 'refresh_token' ? refused('incorrect_client_credentials') : undefined,
    )
    const tokens = await user.signIn()
    replicas.advance(29_000)
    const kept = await user.refresh(tokens.refresh_token)
    expect(kept).toMatchObject({ status: 200 })
    expect(await user.call(kept.body.access_token!)).toBe(503)

    vendor.intercept(undefined)
    vendor.revoke(OCTO)
    await waitFor(async () => (await user.call(kept.body.access_token!)) === 401, {
      what: 'the grant to be dead',
    })
  })

  it('12: a refresh without a refresh token keeps the old one, and without an ID token the claims', async () => {
    const { vendor, replicas, user } = await stageOidc(createGoogle(), ({ issuer }) => ({
      provider: 'google',
      issuer,
    }))
    vendor.intercept(async ({ form }, proceed) => {
      const answer = await proceed()
      if (form.grant_type !== 'refresh_token' || !('json' in answer)) return answer
      const { id_token: _none, ...rest } = answer.json as Record<string, unknown>
      return { ...answer, json: rest }
    })
    const tokens = await user.signIn()
    const before = await findGrant(replicas, tokens.refresh_token)
    for (const _round of [1, 2]) {
      replicas.advance(UPSTREAM_LIFE_SECONDS)
      expect(await user.call(tokens.access_token)).toBe(200)
    }
    const after = await findGrant(replicas, tokens.refresh_token)
    expect(after.version).toBe(before.version + 2)
    expect(after.identity).toEqual(before.identity)
    expect(after.upstreamTokens.refreshToken).toBe(before.upstreamTokens.refreshToken)
    expect(after.upstreamTokens.accessToken).not.toBe(before.upstreamTokens.accessToken)
  })
})

describe('13: iss on the callback', () => {
  const withIss = (vendor: VendorServer, change: (iss: string | null) => string | null) =>
    vendor.intercept(async ({ path }, proceed) => {
      const answer = await proceed()
      const location = 'headers' in answer ? answer.headers?.location : undefined
      if (!path.startsWith('/auth/') || typeof location !== 'string') return answer
      const url = new URL(location)
      const iss = change(url.searchParams.get('iss'))
      if (iss === null) url.searchParams.delete('iss')
      else url.searchParams.set('iss', iss)
      return { redirect: url.href }
    })
  const stageGoogle = (more = {}) =>
    stageOidc(createGoogle(), ({ issuer }) => ({ provider: 'google', issuer, ...more }))
  const errorOf = async ({ user }: Scene) =>
    new URL((await user.authorize()).url).searchParams.get('error')

  it('is refused where it is wrong', async () => {
    const scene = await stagePlain()
    withIss(scene.vendor, () => 'https://other.example.com')
    expect(await errorOf(scene)).toBe('server_error')
    expect(scene.vendor.requestsTo('token')).toEqual([])
  })

  it('is refused where it is missing although the provider says that it sends one', async () => {
    const scene = await stagePlain()
    withIss(scene.vendor, () => null)
    expect(await errorOf(scene)).toBe('server_error')
  })

  it('is taken, and checked, where the provider does not say that it sends one', async () => {
    const scene = await stageGoogle()
    const seen: (string | null)[] = []
    withIss(scene.vendor, iss => {
      seen.push(iss)
      return iss
    })
    await scene.user.signIn()
    expect(seen).toContain(scene.vendor.issuer)
    withIss(scene.vendor, () => 'https://other.example.com')
    expect(await errorOf(scene)).toBe('server_error')
  })

  it('may be missing where the provider does not promise it, unless it is required', async () => {
    const lenient = await stageGoogle()
    withIss(lenient.vendor, () => null)
    expect(await errorOf(lenient)).toBeNull()
    const strict = await stageGoogle({ issParam: 'require' })
    withIss(strict.vendor, () => null)
    expect(await errorOf(strict)).toBe('server_error')
  })
})

describe('14: tenants', () => {
  const foreign = { ...ADELE, tid: OTHER_TENANT }
  const multi = (allowedTenants: string[]) =>
    stageEntra(() => ({ tenant: 'organizations', allowedTenants }))

  it('a user of a foreign tenant gets a page, no grant, and another try', async () => {
    const { vendor, replicas, user } = await multi([TENANT])
    vendor.signInAs(foreign)
    const page = await user.authorize()
    expect(page).toMatchObject({ isStop: false, status: 403 })
    expect(page.html).toContain('This account belongs to another organization')
    vendor.signInAs(ADELE)
    const retry = /href="([^"]*\/authorize[^"]*)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&')
    const back = await user.follow(retry!)
    expect(await user.redeem(back)).toMatchObject({ status: 200 })
    expect(vendor.requestsTo('authorize')[1]?.query.prompt).toBe('select_account')
    expect(await replicas.store.grants.listByClient(user.clientId)).toHaveLength(1)
  })

  it('an operator finds and ends the grants of a user by the subject alone, whatever the tenant', async () => {
    const { vendor, replicas, user } = await multi([TENANT, OTHER_TENANT])
    for (const person of [ADELE, foreign]) {
      vendor.signInAs(person)
      const { refresh_token: refreshToken } = await user.signIn()
      const { grantId, identity } = await findGrant(replicas, refreshToken)
      const { subject } = identity
      const listed = await fetch(`${replicas.opsOrigin}/admin/grants?subject=${subject}`)
      expect(await listed.json()).toMatchObject({ grants: [{ grantId }] })
      const revoked = await fetch(`${replicas.opsOrigin}/admin/revoke`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ subject }),
      })
      expect(await revoked.json()).toEqual({ revoked: 1, unopened: 0, failed: 0 })
      expect(await user.refresh(refreshToken)).toMatchObject({ status: 400 })
    }
  })

  it('the same sub in two tenants is two users', async () => {
    const { vendor, replicas, user } = await multi([TENANT, OTHER_TENANT])
    const ours = await findGrant(replicas, (await user.signIn()).refresh_token)
    vendor.signInAs(foreign)
    const theirs = await findGrant(replicas, (await user.signIn()).refresh_token)
    const subOf = (grant: typeof ours) => decodeJwt(grant.upstreamTokens.accessToken).sub
    expect(subOf(ours)).toBe(subOf(theirs))
    expect(ours.identity.subject).not.toBe(theirs.identity.subject)
    const { issuer, subject } = ours.identity
    expect(subject).toBe(`${TENANT}:${ADELE.oid}`)
    expect(issuer).toBe(`https://login.microsoftonline.com/${TENANT}/v2.0`)
    expect(await replicas.store.grants.listBySubject(issuer, subject)).toHaveLength(1)
  })

  it('a key that is bound to one tenant signs for no other', async () => {
    const { vendor, user } = await multi([TENANT, OTHER_TENANT])
    vendor.keys.bindTo(OTHER_TENANT)
    const page = await user.authorize()
    expect(new URL(page.url).searchParams.get('error')).toBe('server_error')
    vendor.signInAs(foreign)
    await user.signIn()
  })
})

describe('15: interaction_required with claims', () => {
  const CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'

  const becomeDead = async ({ vendor, replicas, user }: Awaited<ReturnType<typeof stageEntra>>) => {
    const { refresh_token: refreshToken } = await user.signIn()
    vendor.requireClaims(ADELE, CLAIMS)
    replicas.advance(3700)
    expect(await user.refresh(refreshToken)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    return findGrant(replicas, refreshToken)
  }

  it('go with the next login of that user and client, once', async () => {
    const scene = await stageEntra()
    const { vendor, replicas, user } = scene
    const { grantId, dead } = await becomeDead(scene)
    expect(dead).toMatchObject({ error: 'interaction_required', claims: CLAIMS })

    const again = await user.signIn()
    const asked = vendor.requestsTo('authorize').map(({ query }) => query.claims)
    expect(asked).toEqual([undefined, undefined, CLAIMS])
    replicas.advance(3700)
    expect(await user.refresh(again.refresh_token)).toMatchObject({ status: 200 })
    expect(await replicas.store.grants.find(grantId)).toBeUndefined()

    await user.signIn()
    expect(vendor.requestsTo('authorize').map(({ query }) => query.claims)).toEqual([
      ...asked,
      undefined,
    ])
  })

  it('are not asked of somebody else', async () => {
    const scene = await stageEntra()
    await becomeDead(scene)
    scene.vendor.signInAs({ ...ADELE, oid: 'aaaaaaaa-0000-4000-8000-000000000002' })
    await scene.user.signIn()
    expect(scene.vendor.requestsTo('authorize').at(-1)?.query.claims).toBeUndefined()
  })

  it('that the login itself lacks are asked for once, and then a page says so', async () => {
    const { vendor, user } = await stageEntra()
    vendor.refuse(ADELE, 50076, { claims: CLAIMS })
    const page = await user.authorize()
    expect(page).toMatchObject({ isStop: false, status: 403 })
    expect(page.html).toContain('The company sign-in wants more of you')
    const asked = vendor.requestsTo('authorize').map(({ query }) => query.claims)
    expect(asked).toEqual([undefined, CLAIMS])
  })
})

describe('scenarios that broke others, continued', () => {
  it('16: a token of 11 KB goes from end to end', async () => {
    const { vendor, replicas, user } = await stageEntra()
    const groups = Array.from({ length: 195 }, () => crypto.randomUUID())
    vendor.signInAs({ ...ADELE, groups })
    const { access_token: token, refresh_token: refreshToken } = await user.signIn()
    expect(await user.call(token)).toBe(200)
    const { upstreamTokens, identity } = await findGrant(replicas, refreshToken)
    expect(upstreamTokens.accessToken.length).toBeGreaterThan(10_500)
    expect(replicas.backendTokens).toEqual([`Bearer ${upstreamTokens.accessToken}`])
    expect(identity.groups).toEqual(groups)
    expect(token.length).toBeLessThan(1000)
  })

  it("17: a revocation sends the provider's token, and not one of ours in its place", async () => {
    const { vendor, replicas, user } = await stagePlain()
    const tokens = await user.signIn()
    const { upstreamTokens } = await findGrant(replicas, tokens.refresh_token)
    expect(await user.revoke(tokens.refresh_token)).toBe(200)
    const [revocation] = await waitFor(
      () => vendor.requestsTo('revocation').length > 0 && vendor.requestsTo('revocation'),
      { what: 'the revocation' },
    ).then(found => found || [])
    expect(revocation?.form.token).toBe(upstreamTokens.refreshToken)
    expect(JSON.stringify(vendor.requests)).not.toContain(tokens.refresh_token)
    expect(JSON.stringify(vendor.requests)).not.toContain(tokens.access_token)
  })

  it('18: Auth0 without an audience and an Okta org server are refused at start', () => {
    const client = { clientId: 'gateway', clientSecret: 'upstream-secret' }
    expect(
      complaints({ upstream: { provider: 'auth0', domain: 'example.eu.auth0.com', ...client } }),
    ).toEqual([
      'upstream.audience: is required: without it Auth0 issues opaque tokens, which no backend can check',
    ])
    const okta = { provider: 'okta', domain: 'example.okta.com', ...client }
    expect(complaints({ upstream: { ...okta, authorizationServer: 'org' } })).toEqual([
      expect.stringMatching(/^upstream.authorizationServer: must be a custom authorization server/),
    ])
  })

  it.each([60, -60])('19: a clock that is off by %i seconds keeps nobody out', async seconds => {
    const { vendor, replicas, user } = await stageEntra()
    vendor.skew(seconds)
    const tokens = await user.signIn()
    expect(await user.call(tokens.access_token)).toBe(200)
    replicas.advance(3700)
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
  })

  it('19: a clock that is off by an hour does', async () => {
    const { vendor, user } = await stageEntra()
    vendor.skew(3600)
    const page = await user.authorize()
    expect(new URL(page.url).searchParams.get('error')).toBe('server_error')
  })

  it('20: keys that the provider rotated between two logins are found', async () => {
    const { vendor, user } = await stageEntra()
    await user.signIn()
    await vendor.keys.rotate()
    await user.signIn()
    await vendor.keys.rotate()
    await user.signIn()
    expect(vendor.requestsTo('keys').length).toBeGreaterThan(1)
  })
})

/** How often a replica has tried to claim a refresh, from now on. */
function countClaims({ store: { grants } }: Replicas): () => number {
  const claim = grants.claimUpstreamRefresh
  let count = 0
  grants.claimUpstreamRefresh = async (...call) => {
    const claimed = await claim(...call)
    count += 1
    return claimed
  }
  return () => count
}

/** The provider does the work of one refresh, and its answer is lost with the connection. */
function loseOne(vendor: VendorServer): void {
  vendor.intercept(async ({ form }, proceed) => {
    if (form.grant_type !== 'refresh_token') return undefined
    vendor.intercept(undefined)
    await proceed()
    return { drop: true }
  })
}
