import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, exportJWK } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSecret } from '../../src/domain/secret.ts'
import { createCertificate } from '../support/upstreams/certificate.ts'
import { TENANT } from '../support/upstreams/entra.ts'
import { API, AUTH0, OIDC, OKTA } from '../support/upstreams/oidc-profiles.ts'
import { startOidcVendor, type VendorProfile } from '../support/upstreams/oidc-vendor.ts'
import { stage, stageEntra, stageOidc } from '../support/upstreams/scene.ts'
import type { VendorServer } from '../support/upstreams/vendor-server.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The last token request's credential, and nothing else of it. */
function credentialOf(vendor: VendorServer): Record<string, string | undefined> {
  const { form, headers } = vendor.requestsTo('token').at(-1)!
  const { client_id, client_secret, client_assertion, client_assertion_type } = form
  const { authorization } = headers
  const all = { client_id, client_secret, client_assertion, client_assertion_type, authorization }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

describe('a client secret (RFC 6749 section 2.3.1)', () => {
  it('goes into the form', async () => {
    const { vendor, user } = await stageOidc(OIDC, ({ issuer }) => ({ provider: 'oidc', issuer }))
    await user.signIn()
    const { clientId, clientSecret } = vendor
    expect(credentialOf(vendor)).toEqual({ client_id: clientId, client_secret: clientSecret })
  })

  it('goes into the header where the configuration says so', async () => {
    const { vendor, user } = await stageOidc(OIDC, ({ issuer }) => ({
      provider: 'oidc',
      issuer,
      tokenAuthMethod: 'client_secret_basic',
    }))
    await user.signIn()
    expect(credentialOf(vendor)).toEqual({
      authorization: expect.stringMatching(/^Basic [\w+/]+=*$/),
    })
  })
})

describe('a client key (RFC 7523 section 3)', () => {
  it('with Entra signs PS256, names its certificate, and addresses the token endpoint', async () => {
    const { key, certificate } = createCertificate()
    const { vendor, user } = await stageEntra(entra => {
      Object.assign(entra.client, { certificate, clientSecret: createSecret() })
      return { clientSecret: undefined, clientKey: { key, certificate } }
    })
    const { clientId } = vendor.client
    await user.signIn()
    const { client_assertion: assertion = '', ...rest } = credentialOf(vendor)
    expect(rest).toEqual({ client_id: clientId, client_assertion_type: JWT_BEARER })
    const thumbprint = createHash('sha256').update(new X509Certificate(certificate).raw)
    expect(decodeProtectedHeader(assertion)).toEqual({
      alg: 'PS256',
      'x5t#S256': thumbprint.digest('base64url'),
    })
    const { exp = 0, iat = 0, ...claims } = decodeJwt(assertion)
    expect(exp - iat).toBeLessThanOrEqual(300)
    expect(claims).toEqual({
      iss: clientId,
      sub: clientId,
      aud: `https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/token`,
      jti: expect.stringMatching(/.{20}/),
      nbf: iat,
    })
  })

  it.each<[string, VendorProfile, Record<string, string>, 'issuer' | 'tokenEndpoint', object]>([
    ['Auth0', AUTH0, { provider: 'auth0', domain: 'a.auth0.com', audience: API }, 'issuer', {}],
    ['Okta', OKTA, { provider: 'okta', domain: 'a.okta.com' }, 'tokenEndpoint', {}],
    ['any provider', OIDC, { provider: 'oidc' }, 'issuer', { curve: 'prime256v1' }],
  ])('with %s is addressed to whom it wants', async (_, profile, upstream, audience, kind) => {
    const { key, publicKey } = createCertificate(kind)
    const clientKeys = [{ ...(await exportJWK(publicKey)), kid: 'one', use: 'sig' }]
    const { vendor, user } = await stage(
      redirectUri => startOidcVendor(profile, { redirectUri, clientKeys }),
      ({ clientId, issuer }) => ({
        ...upstream,
        issuer,
        clientId,
        clientKey: { key, keyId: 'one' },
      }),
    )
    await user.signIn()
    const { client_assertion: assertion = '', ...rest } = credentialOf(vendor)
    expect(rest).toEqual({ client_id: vendor.clientId, client_assertion_type: JWT_BEARER })
    const alg = 'curve' in kind ? 'ES256' : 'RS256'
    expect(decodeProtectedHeader(assertion)).toEqual({ alg, kid: 'one' })
    const endpoint = `${vendor.issuer.replace(/\/$/, '')}/token`
    expect(decodeJwt(assertion).aud).toBe(audience === 'issuer' ? vendor.issuer : endpoint)
  })
})

describe('an assertion in a file (workload identity)', () => {
  it('is read again at each use, so that the platform can renew it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-assertion-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'assertion')
    const { vendor, replicas, user } = await stageEntra(() => ({
      clientSecret: undefined,
      clientAssertionFile: file,
    }))
    const assertions = ['first-assertion', 'second-assertion']
    Object.assign(vendor.client, { federatedAssertions: assertions })
    await writeFile(file, `${assertions[0]}\n`)
    const tokens = await user.signIn()
    await writeFile(file, assertions[1]!)
    replicas.advance(3700)
    const renewed = await user.refresh(tokens.refresh_token)
    expect(renewed).toMatchObject({ status: 200 })
    expect(vendor.requestsTo('token').map(({ form }) => form.client_assertion)).toEqual(assertions)
    expect(credentialOf(vendor)).toMatchObject({ client_assertion_type: JWT_BEARER })

    await rm(file)
    replicas.advance(3700)
    const kept = await user.refresh(renewed.body.refresh_token!)
    expect(kept).toMatchObject({ status: 200 })
    expect(await user.call(kept.body.access_token!)).toBe(503)
    expect(replicas.log()).toContain('client_credential_unreadable')
    for (const assertion of assertions) expect(replicas.log()).not.toContain(assertion)
  })
})
