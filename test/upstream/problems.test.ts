import { describe, expect, it } from 'vitest'
import { ADELE } from '../support/upstreams/entra.ts'
import type { EntraCode } from '../support/upstreams/entra-errors.ts'
import { createMcpUser } from '../support/upstreams/mcp-user.ts'
import { createGoogle, KEYCLOAK, OKTA } from '../support/upstreams/oidc-profiles.ts'
import { findGrant, stageEntra, stageOidc } from '../support/upstreams/scene.ts'

describe('a refusal that its person can do something about is a page', () => {
  it.each<[EntraCode, string]>([
    [65001, 'The company has not approved this yet'],
    [50057, 'This account is disabled'],
    [50105, 'Your account has not been assigned to this'],
    [50020, 'This account belongs to another organization'],
    [50076, 'The company sign-in wants more of you'],
  ])('from the token endpoint: AADSTS%i is %j', async (code, title) => {
    const { vendor, replicas, user } = await stageEntra()
    vendor.refuse(ADELE, code)
    const page = await user.authorize()
    expect(page).toMatchObject({ isStop: false, status: 403 })
    expect(page.html).toContain(title)
    expect(page.html).toContain('A client')
    expect(page.html).not.toContain('AADSTS')
    expect(replicas.log()).toContain(`AADSTS${code}`)
    vendor.clear()
    const retry = /href="([^"]*\/authorize[^"]*)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&')
    expect(await user.redeem(await user.follow(retry!))).toMatchObject({ status: 200 })
  })

  it('from the authorization endpoint, where the code is part of the text', async () => {
    const { vendor, user } = await stageEntra()
    vendor.refuseLogin('access_denied', 50105)
    const page = await user.authorize()
    expect(page.html).toContain('Your account has not been assigned to this')
  })

  it('from Okta, of somebody who is not assigned to the app', async () => {
    const { vendor, user } = await stageOidc(OKTA, ({ issuer }) => ({
      provider: 'okta',
      domain: 'example.okta.com',
      issuer,
    }))
    vendor.intercept(({ path, query }) => {
      if (!path.endsWith('/auth')) return undefined
      const url = new URL(query.redirect_uri!)
      url.search = new URLSearchParams({
        error: 'access_denied',
        error_description: 'User is not assigned to the client application.',
        state: query.state!,
        iss: vendor.issuer,
      }).toString()
      return { redirect: url.href }
    })
    expect((await user.authorize()).html).toContain('Your account has not been assigned to this')
  })

  it('from us, of a Google account outside the Workspace domain, which Google does not keep out', async () => {
    const { replicas, user } = await stageOidc(createGoogle(), ({ issuer }) => ({
      provider: 'google',
      hostedDomain: 'example.com',
      issuer,
    }))
    const page = await user.authorize({ as: 'bob' })
    expect(page.html).toContain('This account belongs to another organization')
    const inside = await createMcpUser(replicas)
    await inside.signIn({ as: 'alice' })
  })

  it('and anything else goes back to the client', async () => {
    const { vendor, user } = await stageEntra()
    vendor.refuse(ADELE, 9010010)
    const page = await user.authorize()
    expect(page.isStop).toBe(true)
    expect(new URL(page.url).searchParams.get('error')).toBe('server_error')
  })
})

describe('a prompt', () => {
  it('of the client goes with what the provider needs, and replaces nothing', async () => {
    const { vendor, user } = await stageOidc(createGoogle(), ({ issuer }) => ({
      provider: 'google',
      issuer,
    }))
    await user.signIn({ prompt: 'select_account' })
    expect(vendor.requestsTo('auth')[0]?.query.prompt).toBe('consent select_account')
  })
})

describe('what is kept of a user', () => {
  it('says so where there are more groups than Entra puts into a token', async () => {
    const { vendor, replicas, user } = await stageEntra()
    const groups = Array.from({ length: 201 }, () => crypto.randomUUID())
    vendor.signInAs({ ...ADELE, groups })
    const { identity } = await findGrant(replicas, (await user.signIn()).refresh_token)
    expect(identity).toMatchObject({ groupsOverage: true, roles: ['Reader'] })
    expect(identity.groups).toBeUndefined()
  })

  it('comes from the claims that the configuration names', async () => {
    const { replicas, user } = await stageOidc(KEYCLOAK, ({ origin }) => ({
      provider: 'keycloak',
      baseUrl: origin,
      realm: 'main',
      claims: { groups: 'no.such.claim', roles: 'groups', name: 'email' },
    }))
    const { identity } = await findGrant(replicas, (await user.signIn()).refresh_token)
    expect(identity).toMatchObject({ name: 'alice@example.com', roles: ['staff', 'admins'] })
    expect(identity).not.toHaveProperty('groups')
  })

  it('is renewed by the ID token of a refresh', async () => {
    const { vendor, replicas, user } = await stageEntra()
    const user2 = { ...ADELE, groups: [...ADELE.groups] }
    vendor.signInAs(user2)
    const tokens = await user.signIn()
    user2.groups.push('cccccccc-0000-4000-8000-000000000003')
    replicas.advance(3700)
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
    expect((await findGrant(replicas, tokens.refresh_token)).identity.groups).toHaveLength(2)
  })
})
