import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { renderEffective } from '../../src/config/effective.ts'
import { createCertificate } from '../support/upstreams/certificate.ts'
import { complaints, faultsOf, MINIMAL, OIDC, parseYaml, readTree } from './support.ts'

const CLIENT = { clientId: 'gateway', clientSecret: 'upstream-secret' }
const TENANT = '11111111-2222-3333-4444-555555555555'
const ENTRA = { provider: 'entra', tenant: TENANT, ...CLIENT, scopes: ['mcp.access'] }
const AUTH0 = { provider: 'auth0', domain: 'example.auth0.com', audience: 'https://api', ...CLIENT }
const OKTA = { provider: 'okta', domain: 'example.okta.com', ...CLIENT }
const KEYCLOAK = {
  provider: 'keycloak',
  baseUrl: 'https://sso.example.com',
  realm: 'main',
  ...CLIENT,
}
const COGNITO = { provider: 'cognito', region: 'eu-west-1', userPoolId: 'eu-west-1_Ab', ...CLIENT }
const MULTI = { ...ENTRA, tenant: 'organizations' }

describe('an upstream with a preset', () => {
  it.each([
    ENTRA,
    AUTH0,
    OKTA,
    KEYCLOAK,
    COGNITO,
    { provider: 'google', ...CLIENT },
    { provider: 'github', ...CLIENT },
    OIDC,
  ])('is right with little, and its effective form is right again: $provider', upstream => {
    const config = readTree({ ...MINIMAL, upstream })
    const effective = parseYaml(renderEffective(config))
    expect(effective.upstream).toMatchObject({ ...upstream, clientSecret: '[redacted]' })
    const again = readTree({
      ...effective,
      upstream: { ...(effective.upstream as object), clientSecret: upstream.clientSecret },
    })
    expect(again.upstream).toEqual(config.upstream)
  })

  it.each<[string, Record<string, unknown>, string]>([
    [
      'a tenant by its name',
      { ...ENTRA, tenant: 'example.onmicrosoft.com' },
      'upstream.tenant: expected the tenant id, a GUID in lower case, or organizations or common for several',
    ],
    [
      'several tenants without saying which',
      MULTI,
      'upstream.allowedTenants: is required with tenant: organizations: the tenant ids whose users may sign in; without it anybody with a Microsoft account could',
    ],
    [
      'a list of tenants beside a single one',
      { ...ENTRA, allowedTenants: [TENANT] },
      'upstream.allowedTenants: goes with tenant: organizations or common; otherwise the tenant is the only one',
    ],
    [
      'an allowed tenant that is none',
      { ...MULTI, allowedTenants: ['example.com'] },
      'upstream.allowedTenants[0]: expected a tenant id, a GUID in lower case',
    ],
    [
      'no scope at Entra',
      { ...ENTRA, scopes: ['openid', 'offline_access'] },
      'upstream.scopes: needs a scope of your API, such as mcp.access (Expose an API): without one Entra issues tokens for Microsoft Graph',
    ],
    [
      'scopes of two resources at Entra',
      { ...ENTRA, scopes: ['mcp.access', 'https://graph.microsoft.com/User.Read'] },
      'upstream.scopes: are of several resources, api://gateway and https://graph.microsoft.com: Entra takes one a request (AADSTS28000)',
    ],
    [
      'a domain that is a URL',
      { ...AUTH0, domain: 'https://example.auth0.com/' },
      'upstream.domain: expected a domain such as example.eu.auth0.com, without https://',
    ],
    ['a key of another provider', { ...AUTH0, realm: 'main' }, 'upstream.realm: unknown key'],
    [
      'a region that is none',
      { ...COGNITO, region: 'Frankfurt' },
      'upstream.region: expected a region such as eu-central-1',
    ],
    [
      'no offline_access',
      { ...OIDC, scopes: ['openid'] },
      'upstream.scopes: must contain offline_access: without it most IdPs give no refresh token, and people sign in again each hour; offlineAccess: false where yours needs none',
    ],
  ])('is refused with %s', (_, upstream, complaint) => {
    expect(complaints({ upstream })).toEqual([complaint])
  })

  it('says where in the file it is wrong', () => {
    const [fault] = faultsOf(stringify({ ...MINIMAL, upstream: { ...ENTRA, scopes: [] } }))
    expect(fault).toMatchObject({ path: 'upstream.scopes', line: 7, column: 3 })
  })

  it('may do without offline_access where the configuration says so', () => {
    expect(complaints({ upstream: { ...OIDC, scopes: ['openid'], offlineAccess: false } })).toEqual(
      [],
    )
  })
})

describe('the credential of the gateway', () => {
  const { clientSecret, ...withoutSecret } = ENTRA
  const { key, certificate } = createCertificate()

  it.each<[string, Record<string, unknown>]>([
    ['a secret', { clientSecret }],
    ['a key', { clientKey: { key } }],
    ['a key with a certificate', { clientKey: { key, certificate } }],
    ['an EC key', { clientKey: { key: createCertificate({ curve: 'secp384r1' }).key } }],
    ['a file with an assertion', { clientAssertionFile: '/var/run/secrets/token' }],
  ])('may be %s', (_, credential) => {
    expect(complaints({ upstream: { ...withoutSecret, ...credential } })).toEqual([])
  })

  it.each<[string, Record<string, unknown>, string]>([
    [
      'nothing',
      {},
      'upstream.clientSecret: needs one of clientSecret, clientKey and clientAssertionFile',
    ],
    [
      'two at once',
      { clientSecret, clientAssertionFile: '/token' },
      'upstream.clientAssertionFile: takes one of clientSecret, clientKey and clientAssertionFile, and there is clientSecret already',
    ],
    [
      'a key that is none',
      { clientKey: { key: 'a key' } },
      'upstream.clientKey.key: is not a private key in PEM without a passphrase',
    ],
    [
      'a key that is too short',
      { clientKey: { key: createCertificate({ rsaBits: 1024 }).key } },
      'upstream.clientKey.key: must have 2048 bits at least',
    ],
    [
      'a certificate of another key',
      { clientKey: { key, certificate: createCertificate().certificate } },
      'upstream.clientKey.certificate: is the certificate of another key',
    ],
    [
      'a certificate that is none',
      { clientKey: { key, certificate: key } },
      'upstream.clientKey.certificate: is not a certificate in PEM',
    ],
    [
      'a file by a relative path',
      { clientAssertionFile: 'token' },
      'upstream.clientAssertionFile: must be an absolute path: the file is read again at each use',
    ],
  ])('may not be %s', (_, credential, complaint) => {
    expect(complaints({ upstream: { ...withoutSecret, ...credential } })).toEqual([complaint])
  })

  it('is a secret where the provider knows nothing else', () => {
    const google = { provider: 'google', clientId: 'gateway' }
    expect(complaints({ upstream: google })).toEqual(['upstream.clientSecret: is required'])
    expect(complaints({ upstream: { ...google, clientSecret, clientKey: { key } } })).toEqual([
      'upstream.clientKey: unknown key',
    ])
  })

  it('is never shown', () => {
    const config = readTree({
      ...MINIMAL,
      upstream: { ...withoutSecret, clientKey: { key, certificate } },
    })
    const shown = parseYaml(renderEffective(config)).upstream
    expect(shown).toMatchObject({ clientKey: { key: '[redacted]', certificate } })
    expect(JSON.stringify(shown)).not.toContain('PRIVATE KEY')
  })
})
