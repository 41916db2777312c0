import { describe, expect, it } from 'vitest'
import { resolveUpstreams } from '../../src/gateway/upstreams.ts'
import type { UpstreamOptions } from '../../src/upstream/options.ts'
import { MINIMAL, readTree } from '../config/support.ts'

const CLIENT = { clientId: 'gateway', clientSecret: 'upstream-secret' }
const TENANT = '11111111-2222-3333-4444-555555555555'
const OTHER = '99999999-8888-7777-6666-555555555555'

function resolve(upstream: Record<string, unknown>): UpstreamOptions {
  const config = readTree({ ...MINIMAL, upstream: { ...CLIENT, ...upstream } })
  const [options] = resolveUpstreams(config)
  if (!options) throw new RangeError('nothing was resolved')
  return options
}

const ENTRA = { provider: 'entra', tenant: TENANT, scopes: ['mcp.access'] }
const AUTH0 = { provider: 'auth0', domain: 'example.eu.auth0.com', audience: 'https://api' }
const OKTA = { provider: 'okta', domain: 'example.okta.com' }

describe('the issuer of a preset', () => {
  it.each([
    [ENTRA, `https://login.microsoftonline.com/${TENANT}/v2.0`],
    [AUTH0, 'https://example.eu.auth0.com/'],
    [OKTA, 'https://example.okta.com/oauth2/default'],
    [{ ...OKTA, authorizationServer: 'aus1' }, 'https://example.okta.com/oauth2/aus1'],
    [{ provider: 'google' }, 'https://accounts.google.com'],
    [
      { provider: 'keycloak', baseUrl: 'https://sso.example.com', realm: 'main' },
      'https://sso.example.com/realms/main',
    ],
    [
      { provider: 'cognito', region: 'eu-central-1', userPoolId: 'eu-central-1_AbCd' },
      'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCd',
    ],
    [{ provider: 'github' }, 'https://github.com/login/oauth'],
    [{ provider: 'oidc', issuer: 'https://login.example.com/' }, 'https://login.example.com/'],
    [
      { ...OKTA, issuer: 'https://login.example.com/oauth2/x' },
      'https://login.example.com/oauth2/x',
    ],
  ])('%j is %s', (upstream, issuer) => {
    expect(resolve(upstream).issuer).toBe(issuer)
  })
})

describe('scopes', () => {
  const STANDARD = ['openid', 'profile', 'email', 'offline_access']

  it.each([
    ['a bare name', ['mcp.access'], ['api://gateway/mcp.access']],
    ['one that is qualified', ['api://other/mcp.access'], ['api://other/mcp.access']],
    ['.default', ['.default'], ['api://gateway/.default']],
    ['one of OpenID Connect', ['email', 'mcp.access'], ['api://gateway/mcp.access']],
  ])('of Entra are of one API: %s', (_, scopes, asked) => {
    expect(resolve({ ...ENTRA, scopes }).scopes).toEqual([...STANDARD, ...asked])
  })

  it('of others are asked for as they are', () => {
    expect(resolve({ ...AUTH0, scopes: ['read:crm'] }).scopes).toEqual([...STANDARD, 'read:crm'])
  })
})

describe('parameters', () => {
  it("that are configured come over the preset's, and an empty one takes it out", () => {
    const google = { provider: 'google', hostedDomain: 'example.com' }
    const authorizeParams = { prompt: '', access_type: 'online', include_granted_scopes: 'true' }
    expect(resolve({ ...google, authorizeParams }).authorizeParams).toEqual({
      access_type: 'online',
      include_granted_scopes: 'true',
      hd: 'example.com',
    })
  })

  it('whose setting is not given are left out', () => {
    expect(resolve({ provider: 'google' }).authorizeParams).not.toHaveProperty('hd')
  })

  it('of one step do not get into another', () => {
    const params = {
      authorizeParams: { a: '1' },
      codeParams: { b: '2' },
      refreshParams: { c: '3' },
    }
    expect(resolve({ ...OKTA, ...params })).toMatchObject(params)
  })
})

describe('tenants', () => {
  it.each([
    [ENTRA, { claim: 'tid', allowed: [TENANT] }],
    [
      { ...ENTRA, tenant: 'organizations', allowedTenants: [TENANT, OTHER] },
      { claim: 'tid', allowed: [TENANT, OTHER] },
    ],
    [
      { provider: 'google', hostedDomain: 'example.com' },
      { claim: 'hd', allowed: ['example.com'] },
    ],
    [{ provider: 'google' }, undefined],
    [AUTH0, undefined],
  ])('of %j are %j', (upstream, tenancy) => {
    expect(resolve(upstream).tenancy).toEqual(tenancy)
  })
})

describe('everything else', () => {
  it('is the default of the preset, unless it is configured', () => {
    const { repeatsRefresh, refreshScope, issParam } = resolve(AUTH0)
    expect({ repeatsRefresh, refreshScope, issParam }).toEqual({
      repeatsRefresh: false,
      refreshScope: 'none',
      issParam: 'verify',
    })
    const configured = { repeatsRefresh: true, refreshScope: 'granted', issParam: 'ignore' }
    expect(resolve({ ...AUTH0, ...configured })).toMatchObject(configured)
  })

  it('of GitHub is configured rather than discovered, also on a server of its own', () => {
    expect(resolve({ provider: 'github' }).endpoints).toEqual({
      authorization: 'https://github.com/login/oauth/authorize',
      token: 'https://github.com/login/oauth/access_token',
      user: 'https://api.github.com/user',
    })
    const own = {
      provider: 'github',
      issuer: 'https://git.example.com/login/oauth',
      userUrl: 'https://git.example.com/api/v3/user',
    }
    expect(resolve(own).endpoints).toEqual({
      authorization: 'https://git.example.com/login/oauth/authorize',
      token: 'https://git.example.com/login/oauth/access_token',
      user: 'https://git.example.com/api/v3/user',
    })
  })

  it('has the callback URL of the gateway, and never one of a request', () => {
    expect(resolve(OKTA).callbackUrl).toBe('https://mcp.example.com/callback')
  })
})
