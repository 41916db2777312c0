import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { basic, createSecretPair } from './client-fixture.ts'
import { advance, auditOf, createSigner, type Replicas, read, startReplicas } from './loginless.ts'
import { CRM, ISSUER, WIKI } from './support.ts'

const nightly = createSecretPair()
const portal = createSecretPair()

const MACHINE = {
  id: 'nightly',
  name: 'Nightly batch',
  secretHash: nightly.secretHash,
  clientCredentials: true,
}
const CLIENTS = [
  MACHINE,
  {
    id: 'portal',
    name: 'Portal',
    redirectUris: ['https://portal.example.com/cb'],
    secretHash: portal.secretHash,
  },
  { id: 'public', name: 'Public', redirectUris: ['https://public.example.com/cb'] },
]

function start(
  machine: Record<string, unknown> = {},
  options: Parameters<typeof startReplicas>[1] = {},
): Replicas {
  const clients = [{ ...MACHINE, ...machine }, ...CLIENTS.slice(1)]
  return startReplicas({ clients }, options)
}

function ask([replica]: Replicas, form: Record<string, string> = {}, credentials = NIGHTLY) {
  return read(replica.post('/token', { grant_type: 'client_credentials', ...form }, credentials))
}

const NIGHTLY = basic('nightly', nightly.secret)

describe('client credentials (RFC 6749 section 4.4)', () => {
  it('answer an access token only, for a grant whose subject is the client', async () => {
    const replicas = start()
    const { status, headers, body } = await ask(replicas, { resource: CRM })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'crm.read crm.write',
    })
    const claims = await replicas[1].server.accessTokens.verify(String(body.access_token))
    expect(claims).toMatchObject({ clientId: 'nightly', subject: 'nightly', resource: CRM })
    const grant = await replicas[1].store.grants.find(claims?.grantId ?? '')
    expect(grant?.identity).toMatchObject({ issuer: ISSUER, subject: 'nightly' })
    expect(auditOf(replicas)).toContainEqual(
      expect.objectContaining({
        event: 'token',
        outcome: 'granted',
        reason: 'client_credentials',
        clientId: 'nightly',
        issuer: ISSUER,
        subject: 'nightly',
        resource: CRM,
      }),
    )
  })

  it('are also proven by the form and by private_key_jwt', async () => {
    const form = { client_id: 'nightly', client_secret: nightly.secret }
    expect(await ask(start(), form, {})).toMatchObject({ status: 200 })
    const signer = await createSigner()
    const { secretHash: _, ...keyed } = { ...MACHINE, jwks: { keys: [signer.jwk] } }
    const replicas = startReplicas({ clients: [keyed] })
    const assertion = await new SignJWT({ iss: 'nightly', sub: 'nightly', aud: ISSUER, jti: 'a' })
      .setProtectedHeader({ alg: signer.alg, kid: signer.jwk.kid ?? '' })
      .setExpirationTime(replicas[0].clock.now() + 60)
      .sign(signer.privateKey)
    const proof = {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }
    expect(await ask(replicas, proof, {})).toMatchObject({ status: 200 })
  })

  it('open a grant that ends with its access token', async () => {
    const replicas = start()
    const { body } = await ask(replicas)
    const claims = await replicas[0].server.accessTokens.verify(String(body.access_token))
    const find = () => replicas[1].store.grants.find(claims?.grantId ?? '')
    advance(replicas, 899)
    expect(await find()).toBeDefined()
    advance(replicas, 2)
    expect(await find()).toBeUndefined()
  })

  it('open a grant that its client can revoke', async () => {
    const replicas = start()
    const { body } = await ask(replicas)
    const token = String(body.access_token)
    const claims = await replicas[0].server.accessTokens.verify(token)
    const revoked = await replicas[1].post('/revoke', { token }, NIGHTLY)
    expect(revoked.status).toBe(200)
    expect(await replicas[0].store.grants.find(claims?.grantId ?? '')).toBeUndefined()
  })

  it.each([
    ['a client that acts for people', basic('portal', portal.secret), {}],
    ['a public client', {}, { client_id: 'public' }],
  ])('are refused to %s', async (_, credentials, form) => {
    expect(await ask(start(), form as Record<string, string>, credentials as never)).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    })
  })

  it('are refused to a client that registered itself', async () => {
    const replicas = start()
    const registration = await replicas[0].request('/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: ['https://app.example.com/cb'],
        token_endpoint_auth_method: 'client_secret_basic',
      }),
    })
    const { client_id, client_secret } = { ...Object(await registration.json()) }
    const reply = await ask(replicas, {}, basic(client_id, client_secret))
    expect(reply).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } })
  })

  it('are refused with a wrong secret, and once the client is denied', async () => {
    const replicas = start()
    const wrong = await ask(replicas, {}, basic('nightly', 'wrong'))
    expect(wrong).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    await replicas[1].store.clients.deny('nightly')
    expect(await ask(replicas)).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it('are no grant type at all where no client may use them', async () => {
    const reply = await ask(
      startReplicas({ clients: CLIENTS.slice(1) }),
      {},
      basic('portal', portal.secret),
    )
    expect(reply).toMatchObject({ status: 400, body: { error: 'unsupported_grant_type' } })
  })
})

describe('the resource of client credentials (RFC 8707)', () => {
  const two = { paths: ['/crm/mcp', '/wiki/mcp'] }

  it('must be named where there are several, and must be one of them', async () => {
    const replicas = start({}, two)
    const refused = { status: 400, body: { error: 'invalid_target' } }
    expect(await ask(replicas)).toMatchObject(refused)
    expect(await ask(replicas, { resource: `${ISSUER}/other` })).toMatchObject(refused)
    expect(await ask(replicas, { resource: WIKI })).toMatchObject({ status: 200 })
  })

  it('is none whose backend needs a person', async () => {
    const replicas = start({}, { ...two, loginless: ['/wiki/mcp'] })
    expect(await ask(replicas, { resource: CRM })).toMatchObject({
      status: 400,
      body: { error: 'invalid_target' },
    })
    expect(await ask(replicas, { resource: WIKI })).toMatchObject({ status: 200 })
  })

  it('is none that people only may use, unless the client is named', async () => {
    const people = { group: 'sales' }
    const refused = { status: 400, body: { error: 'invalid_grant' } }
    expect(await ask(start({}, { allow: people }))).toMatchObject(refused)
    const named = (value: string) => ({ any: [people, { claim: 'client_id', value }] })
    expect(await ask(start({}, { allow: named('other') }))).toMatchObject(refused)
    expect(await ask(start({}, { allow: named('nightly') }))).toMatchObject({ status: 200 })
  })
})

describe('the scope of client credentials (RFC 6749 section 3.3)', () => {
  it.each([
    [undefined, undefined, 'crm.read crm.write'],
    [undefined, 'crm.write', 'crm.write'],
    [['crm.read'], undefined, 'crm.read'],
    [['crm.read'], 'crm.read crm.write', 'crm.read'],
    [['crm.read', 'wiki.read'], 'crm.read openid', 'crm.read'],
  ])('of a client with %j that asks for %j is %j', async (scopes, scope, granted) => {
    const replicas = start({ ...(scopes && { scopes }) })
    expect(await ask(replicas, { ...(scope && { scope }) })).toMatchObject({
      status: 200,
      body: { scope: granted },
    })
  })

  it.each([
    [['crm.read'], 'crm.write'],
    [['wiki.read'], 'crm.read'],
    [['wiki.read'], ''],
    [['crm.read'], 'crm.read "'],
  ])('of a client with %j that asks for %j is refused', async (scopes, scope) => {
    expect(await ask(start({ scopes }), { scope })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })
})
