import { createHmac, randomUUID } from 'node:crypto'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Fixture, type Replica, startFixture } from './client-fixture.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const REDIRECT_URI = 'https://app.example.com/callback'

type Signer = { alg: string; privateKey: CryptoKey; jwk: JWK }

const signers = new Map<string, Signer>()
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']

async function createSigner(alg: string, kid: string = randomUUID()): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}

function signerOf(alg: string): Signer {
  const signer = signers.get(alg)
  if (!signer) throw new Error(`no key for ${alg}`)
  return signer
}

beforeAll(async () => {
  for (const alg of ALGORITHMS) signers.set(alg, await createSigner(alg))
})

type Claims = Record<string, unknown>

/** An assertion as clients make it, but for what is said otherwise; `undefined` leaves a claim out. */
function assert(
  fixture: Fixture,
  clientId: string,
  signer: Signer = signerOf('RS256'),
  claims: Claims = {},
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  const now = Math.floor(fixture.store.now())
  const kid = signer.jwk.kid
  return new SignJWT({
    iss: clientId,
    sub: clientId,
    aud: `${fixture.issuer}/token`,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...claims,
  })
    .setProtectedHeader({ alg: signer.alg, typ: 'JWT', ...(kid && { kid }), ...header })
    .sign(signer.privateKey)
}

/** Publishes a document client with `private_key_jwt`. */
function publish(
  { documents }: Fixture,
  keys: Record<string, unknown>,
  more: Record<string, unknown> = {},
): string {
  const clientId = documents.url('/client.json')
  documents.publish('/client.json', {
    body: {
      client_id: clientId,
      client_name: 'Example App',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'private_key_jwt',
      ...keys,
      ...more,
    },
  })
  return clientId
}

function publishKeys({ documents }: Fixture, ...keys: JWK[]): string {
  documents.publish('/jwks.json', { body: { keys } })
  return documents.url('/jwks.json')
}

function inlineKeys(...algorithms: string[]) {
  return { jwks: { keys: algorithms.map(alg => signerOf(alg).jwk) } }
}

function ask(replica: Replica, assertion: string, form: Record<string, string> = {}) {
  return replica.post('/token', {
    grant_type: 'refresh_token',
    refresh_token: 'no-such-token',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...form,
  })
}

/** The client is who it says; only the refresh token is none. */
const AUTHENTICATED = { status: 400, body: { error: 'invalid_grant' } }
const REFUSED = { status: 401, body: { error: 'invalid_client' } }

describe('metadata', () => {
  it('advertises private_key_jwt and asymmetric algorithms only', async () => {
    const { replicas } = await startFixture()
    const metadata = await replicas[0].metadata()
    for (const endpoint of ['token', 'revocation']) {
      expect(metadata[`${endpoint}_endpoint_auth_methods_supported`]).toEqual([
        'none',
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ])
      const algorithms = metadata[`${endpoint}_endpoint_auth_signing_alg_values_supported`]
      expect(algorithms).toEqual(expect.arrayContaining(['RS256', 'PS256', 'ES256', 'EdDSA']))
      expect(algorithms).not.toEqual(expect.arrayContaining([expect.stringMatching(/^HS|none/)]))
    }
  })
})

describe('ChatGPT: a document with private_key_jwt and jwks_uri', () => {
  it('signs in, redeems its code, refreshes and revokes on any replica', async () => {
    const fixture = await startFixture({}, ['chatgpt.com'])
    const [first, second] = fixture.replicas
    const clientId = publish(
      fixture,
      { jwks_uri: publishKeys(fixture, signerOf('RS256').jwk) },
      {
        client_name: 'ChatGPT',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
        token_endpoint_auth_signing_alg: 'RS256',
      },
    )
    const grant = await fixture.signIn(clientId, REDIRECT_URI)
    const issued = await ask(first, await assert(fixture, clientId), grant)
    expect(issued).toMatchObject({ status: 200, body: { token_type: 'Bearer' } })
    const refreshed = await ask(second, await assert(fixture, clientId), {
      refresh_token: String(issued.body.refresh_token),
      client_id: clientId,
    })
    expect(refreshed.status).toBe(200)
    const revoked = await second.post('/revoke', {
      token: String(refreshed.body.refresh_token),
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assert(fixture, clientId),
    })
    expect(revoked.status).toBe(200)
    const after = await ask(first, await assert(fixture, clientId), {
      refresh_token: String(refreshed.body.refresh_token),
    })
    expect(after).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('is not let in without its assertion, and no failure burns its code', async () => {
    const fixture = await startFixture()
    const [first, second] = fixture.replicas
    const clientId = publish(fixture, inlineKeys('RS256'))
    const grant = await fixture.signIn(clientId, REDIRECT_URI)
    const stranger = await createSigner('RS256', signerOf('RS256').jwk.kid ?? '')
    expect(await first.post('/token', { ...grant, client_id: clientId })).toMatchObject(REFUSED)
    expect(await ask(second, await assert(fixture, clientId, stranger), grant)).toMatchObject(
      REFUSED,
    )
    const used = await assert(fixture, clientId)
    expect(await ask(second, used)).toMatchObject(AUTHENTICATED)
    expect(await ask(first, used, grant)).toMatchObject(REFUSED)
    expect((await ask(first, await assert(fixture, clientId), grant)).status).toBe(200)
  })
})

describe('a client of the configuration with keys', () => {
  it.each(['jwks', 'jwksUri'])('authenticates, and not by a secret: %s', async where => {
    const fixture = await startFixture(({ url }) => ({
      clients: [
        {
          id: 'portal',
          name: 'Portal',
          redirectUris: [REDIRECT_URI],
          ...(where === 'jwks' ? inlineKeys('ES256') : { jwksUri: url('/jwks.json') }),
        },
      ],
    }))
    publishKeys(fixture, signerOf('ES256').jwk)
    const [replica] = fixture.replicas
    const assertion = await assert(fixture, 'portal', signerOf('ES256'))
    expect(await ask(replica, assertion)).toMatchObject(AUTHENTICATED)
    const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: 'portal' }
    expect(await replica.post('/token', form)).toMatchObject(REFUSED)
    const withSecret = await replica.post('/token', { ...form, client_secret: 'made-up' })
    expect(withSecret).toMatchObject(REFUSED)
  })
})

describe('algorithms', () => {
  it.each(ALGORITHMS)('%s is taken', async alg => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys(alg))
    const assertion = await assert(fixture, clientId, signerOf(alg))
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(AUTHENTICATED)
  })

  it('none and HS256 are not, whatever they are signed with', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const payload = (await assert(fixture, clientId)).split('.')[1]
    const encode = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url')
    const unsigned = `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`
    expect(await ask(fixture.replicas[0], unsigned)).toMatchObject(REFUSED)
    // The public key as a shared secret.
    const signed = `${encode({ alg: 'HS256', kid: signerOf('RS256').jwk.kid })}.${payload}`
    for (const secret of [JSON.stringify(signerOf('RS256').jwk), signerOf('RS256').jwk.n ?? '']) {
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      expect(await ask(fixture.replicas[0], `${signed}.${mac}`)).toMatchObject(REFUSED)
    }
  })

  it('other than the one that the client names are not', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('ES256', 'RS256'), {
      token_endpoint_auth_signing_alg: 'ES256',
    })
    const [replica] = fixture.replicas
    const es256 = await assert(fixture, clientId, signerOf('ES256'))
    expect(await ask(replica, es256)).toMatchObject(AUTHENTICATED)
    expect(await ask(replica, await assert(fixture, clientId))).toMatchObject(REFUSED)
  })
})

describe('a published key that is none', () => {
  it.each<[string, JWK]>([
    ['ES256', { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }],
    ['EdDSA', { kty: 'OKP', crv: 'Ed25519', x: 'AA' }],
    ['RS256', { kty: 'RSA' }],
    ['RS256', { kty: 'RSA', n: 'AQ', e: 'AQAB' }],
  ])('authenticates nobody, and is no fault of ours: %s, %j', async (alg, jwk) => {
    const fixture = await startFixture()
    const { kid = '' } = signerOf(alg).jwk
    const clientId = publish(fixture, { jwks: { keys: [{ ...jwk, kid }] } })
    const assertion = await assert(fixture, clientId, signerOf(alg))
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(REFUSED)
  })
})

describe('claims (RFC 7523 section 3)', () => {
  type Change = (fixture: Fixture, clientId: string) => Claims

  it.each<[string, Change]>([
    ['aud is the issuer', ({ issuer }) => ({ aud: issuer })],
    ['aud is the token endpoint', ({ issuer }) => ({ aud: `${issuer}/token` })],
    ['aud is a list of one', ({ issuer }) => ({ aud: [issuer] })],
    ['aud is a list of ours', ({ issuer }) => ({ aud: [issuer, `${issuer}/token`] })],
    ['iat is missing', () => ({ iat: undefined })],
    ['it ended a moment ago', ({ store }) => ({ exp: store.now() - 50 })],
    ['it begins in a moment', ({ store }) => ({ nbf: store.now() + 50 })],
    ['it lives a quarter of an hour', ({ store }) => ({ exp: store.now() + 15 * 60 })],
  ])('are taken where %s', async (_, change) => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const assertion = await assert(fixture, clientId, signerOf('RS256'), change(fixture, clientId))
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(AUTHENTICATED)
  })

  it.each<[string, Change]>([
    ['iss is another', () => ({ iss: 'https://other.example.com/client.json' })],
    ['iss is missing', () => ({ iss: undefined })],
    ['sub is missing', () => ({ sub: undefined })],
    ['aud is missing', () => ({ aud: undefined })],
    ['aud is empty', () => ({ aud: [] })],
    ['aud is another server', () => ({ aud: 'https://other.example.com/token' })],
    ['aud is another server too', ({ issuer }) => ({ aud: [issuer, 'https://other.example.com'] })],
    ['aud begins like us', ({ issuer }) => ({ aud: `${issuer}/token/x` })],
    ['exp is missing', () => ({ exp: undefined })],
    ['exp is no number', () => ({ exp: '9999999999' })],
    ['it has ended', ({ store }) => ({ exp: store.now() - 90 })],
    ['it lives too long', ({ store }) => ({ exp: store.now() + 3600 })],
    ['it lives for ever', () => ({ exp: Number.MAX_VALUE })],
    ['it has not begun', ({ store }) => ({ nbf: store.now() + 90 })],
    ['jti is missing', () => ({ jti: undefined })],
    ['jti is empty', () => ({ jti: '' })],
    ['jti is no text', () => ({ jti: 7 })],
    ['jti is too long', () => ({ jti: 'x'.repeat(257) })],
  ])('are refused where %s', async (_, change) => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const assertion = await assert(fixture, clientId, signerOf('RS256'), change(fixture, clientId))
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(REFUSED)
  })

  it.each(['at+jwt', 'oauth-id-jag+jwt', 'dpop+jwt'])('are refused in a %s', async typ => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const assertion = await assert(fixture, clientId, signerOf('RS256'), {}, { typ })
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(REFUSED)
  })

  it('of one client do not authenticate another', async () => {
    const fixture = await startFixture({
      clients: [
        { id: 'a', name: 'A', redirectUris: [REDIRECT_URI], ...inlineKeys('RS256') },
        { id: 'b', name: 'B', redirectUris: [REDIRECT_URI], ...inlineKeys('ES256') },
      ],
    })
    const [replica] = fixture.replicas
    const assertion = await assert(fixture, 'a')
    expect(await ask(replica, assertion, { client_id: 'b' })).toMatchObject(REFUSED)
    // Signed by a, in the name of b.
    expect(await ask(replica, await assert(fixture, 'b'))).toMatchObject(REFUSED)
    expect(await ask(replica, assertion, { client_id: 'a' })).toMatchObject(AUTHENTICATED)
  })
})

describe('replay', () => {
  it('is refused on every replica, also when all are asked at once', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const assertion = await assert(fixture, clientId)
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        ask(fixture.replicas[i % 2] ?? fixture.replicas[0], assertion),
      ),
    )
    expect(replies.filter(({ status }) => status === 400)).toHaveLength(1)
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(9)
  })

  it.each([60, 60.5])('is refused for as long as it could be taken: %d s', async life => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const exp = Math.floor(fixture.store.now()) + life
    const assertion = await assert(fixture, clientId, signerOf('RS256'), { exp })
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(AUTHENTICATED)
    for (const seconds of [59, 30, 29, ...Array(16).fill(0.25), 60]) {
      fixture.advance(seconds)
      expect(await ask(fixture.replicas[1], assertion)).toMatchObject(REFUSED)
    }
  })

  it('is judged by client: two may use the same jti', async () => {
    const fixture = await startFixture({
      clients: [
        { id: 'a', name: 'A', redirectUris: [REDIRECT_URI], ...inlineKeys('RS256') },
        { id: 'a.b', name: 'B', redirectUris: [REDIRECT_URI], ...inlineKeys('RS256') },
      ],
    })
    const claims = { jti: 'same' }
    for (const id of ['a', 'a.b']) {
      const assertion = await assert(fixture, id, signerOf('RS256'), claims)
      expect(await ask(fixture.replicas[0], assertion)).toMatchObject(AUTHENTICATED)
    }
  })

  it('does not use up an id by a forged assertion', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const stranger = await createSigner('RS256', signerOf('RS256').jwk.kid ?? '')
    const claims = { jti: 'guessed' }
    const forged = await assert(fixture, clientId, stranger, claims)
    expect(await ask(fixture.replicas[0], forged)).toMatchObject(REFUSED)
    const genuine = await assert(fixture, clientId, signerOf('RS256'), claims)
    expect(await ask(fixture.replicas[0], genuine)).toMatchObject(AUTHENTICATED)
  })
})

describe('the request', () => {
  it.each([
    [
      'another type',
      { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' },
    ],
    ['no type', { client_assertion_type: '' }],
    ['a secret too', { client_secret: 'made-up' }],
  ])('with %s is invalid', async (_, form) => {
    const fixture = await startFixture()
    const clientId = publish(fixture, inlineKeys('RS256'))
    const reply = await ask(fixture.replicas[0], await assert(fixture, clientId), form)
    expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it.each(['x', 'a.b.c', `${Buffer.from('{}').toString('base64url')}.e30.`, '....'])(
    'with the assertion %s is refused',
    async assertion => {
      const fixture = await startFixture()
      const reply = await ask(fixture.replicas[0], assertion)
      expect(reply).toMatchObject(REFUSED)
    },
  )

  it('of a registered or public client without keys is refused', async () => {
    const fixture = await startFixture({
      clients: [{ id: 'public', name: 'P', redirectUris: [REDIRECT_URI] }],
    })
    const { body } = await fixture.replicas[0].postJson('/register', {
      redirect_uris: [REDIRECT_URI],
    })
    for (const clientId of ['public', String(body.client_id)]) {
      const reply = await ask(fixture.replicas[0], await assert(fixture, clientId))
      expect(reply).toMatchObject(REFUSED)
    }
  })
})

describe('keys at jwks_uri', () => {
  const keyFetches = ({ documents }: Fixture) =>
    documents.seen.filter(({ path }) => path === '/jwks.json').length

  it('are fetched once, and again for a new key after a while', async () => {
    const fixture = await startFixture()
    const [replica] = fixture.replicas
    const [old, renewed] = [await createSigner('ES256'), await createSigner('ES256')]
    const clientId = publish(fixture, { jwks_uri: publishKeys(fixture, old.jwk) })
    for (let i = 0; i < 3; i++) {
      expect(await ask(replica, await assert(fixture, clientId, old))).toMatchObject(AUTHENTICATED)
    }
    expect(keyFetches(fixture)).toBe(1)
    publishKeys(fixture, renewed.jwk)
    fixture.advance(31)
    expect(await ask(replica, await assert(fixture, clientId, renewed))).toMatchObject(
      AUTHENTICATED,
    )
    expect(await ask(replica, await assert(fixture, clientId, old))).toMatchObject(REFUSED)
    expect(keyFetches(fixture)).toBe(2)
  })

  it('are not fetched by each assertion with a key that is nowhere', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, { jwks_uri: publishKeys(fixture, signerOf('ES256').jwk) })
    const stranger = await createSigner('ES256')
    for (let i = 0; i < 5; i++) {
      const assertion = await assert(fixture, clientId, stranger)
      expect(await ask(fixture.replicas[0], assertion)).toMatchObject(REFUSED)
    }
    expect(keyFetches(fixture)).toBe(1)
  })

  it('that cannot be had are an outage; after that, the same client is let in', async () => {
    const fixture = await startFixture()
    const [replica] = fixture.replicas
    const jwksUri = publishKeys(fixture, signerOf('ES256').jwk)
    const clientId = publish(fixture, { jwks_uri: jwksUri })
    fixture.documents.publish('/jwks.json', { status: 503, body: {} })
    const assertion = await assert(fixture, clientId, signerOf('ES256'))
    expect(await ask(replica, assertion)).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
    })
    publishKeys(fixture, signerOf('ES256').jwk)
    fixture.advance(11)
    // Not used up by the outage.
    expect(await ask(replica, assertion)).toMatchObject(AUTHENTICATED)
  })

  it.each([
    [
      'private',
      async () => [
        await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey),
      ],
    ],
    ['symmetric', async () => [{ kty: 'oct', k: 'c2VjcmV0' }]],
    ['for encryption', async () => [{ ...signerOf('ES256').jwk, use: 'enc' }]],
    ['none', async () => []],
  ])('are refused where they are %s', async (_, makeKeys) => {
    const fixture = await startFixture()
    const clientId = publish(fixture, { jwks_uri: publishKeys(fixture, ...(await makeKeys())) })
    const assertion = await assert(fixture, clientId, signerOf('ES256'))
    expect(await ask(fixture.replicas[0], assertion)).toMatchObject(REFUSED)
  })

  it('without names are tried one by one', async () => {
    const fixture = await startFixture()
    const pair = [await createSigner('ES256'), await createSigner('ES256')]
    const unnamed = pair.map(({ jwk: { kid: _, ...jwk }, ...rest }) => ({ ...rest, jwk }))
    const clientId = publish(fixture, {
      jwks_uri: publishKeys(fixture, ...unnamed.map(({ jwk }) => jwk)),
    })
    for (const signer of unnamed) {
      const assertion = await assert(fixture, clientId, signer)
      expect(await ask(fixture.replicas[0], assertion)).toMatchObject(AUTHENTICATED)
    }
    const {
      jwk: { kid: _, ...jwk },
      ...stranger
    } = await createSigner('ES256')
    const forged = await assert(fixture, clientId, { ...stranger, jwk })
    expect(await ask(fixture.replicas[0], forged)).toMatchObject(REFUSED)
  })
})
