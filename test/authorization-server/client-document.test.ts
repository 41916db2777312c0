import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readClientDocument } from '../../src/authorization-server/clients/client-document.ts'

const CLIENT_ID = 'https://app.example.com/client.json'
const RSA = { kty: 'RSA', kid: 'a', n: 'AQAB', e: 'AQAB' }
const MINIMAL = { client_id: CLIENT_ID, redirect_uris: ['https://app.example.com/callback'] }

function read(overrides: Record<string, unknown>) {
  return readClientDocument({ ...MINIMAL, ...overrides }, CLIENT_ID)
}

describe('what a document says', () => {
  it('may be as little as its URL and its redirect URIs: a public client', () => {
    expect(read({})).toEqual({
      clientId: CLIENT_ID,
      clientName: 'app.example.com',
      redirectUris: ['https://app.example.com/callback'],
      authMethod: 'none',
      origin: 'document',
    })
  })

  it('may include what we do not read', () => {
    const more = { logo_uri: 'https://x.example/', software_id: 1, contacts: {}, 'x#y': null }
    expect(read(more)).toMatchObject({ authMethod: 'none' })
  })

  it('keeps a name free of what could make it look like something else', () => {
    expect(read({ client_name: '\u202eedualC\u0000 ' })).toMatchObject({ clientName: 'edualC' })
  })

  it('gives default scopes', () => {
    expect(read({ scope: 'a b a' })).toMatchObject({ defaultScope: ['a', 'b'] })
  })

  it.each([
    ['another URL', { client_id: `${CLIENT_ID}/` }, 'its client_id is not its URL'],
    ['another case', { client_id: CLIENT_ID.toUpperCase() }, 'its client_id is not its URL'],
    ['no client_id', { client_id: undefined }, 'client_id: '],
    ['no redirect URIs', { redirect_uris: undefined }, 'redirect_uris: '],
    ['none of them', { redirect_uris: [] }, 'redirect_uris: '],
    ['too many', { redirect_uris: Array(51).fill('https://a.example/') }, 'redirect_uris: '],
    [
      'one that runs',
      { redirect_uris: ['https://a.example/', 'javascript:x'] },
      'redirect_uris[1]',
    ],
    ['plain http only', { redirect_uris: ['http://a.example/'] }, 'redirect_uris[0]'],
    ['a secret', { client_secret: 's' }, 'client_secret: '],
    ['when a secret ends', { client_secret_expires_at: 0 }, 'client_secret_expires_at: '],
    ['a bad scope', { scope: 'a"b' }, 'scope is malformed'],
    ['other grants only', { grant_types: ['client_credentials'] }, 'grant_types must'],
    ['other responses only', { response_types: ['token'] }, 'response_types must'],
  ])('is refused with %s', (_, overrides, reason) => {
    expect(read(overrides)).toEqual(expect.stringContaining(reason))
  })

  it.each([[null], ['text'], [1], [[]], [{}]])('is refused as %j', json => {
    expect(readClientDocument(json, CLIENT_ID)).toEqual(expect.any(String))
  })
})

describe('how its client authenticates', () => {
  it.each([
    ['client_secret_basic'],
    ['client_secret_post'],
    ['client_secret_jwt'],
    ['tls_client_auth'],
    [''],
  ])('never by %s', method => {
    expect(read({ token_endpoint_auth_method: method })).toMatch(/^token_endpoint_auth_method must/)
  })

  it.each([
    [{ token_endpoint_auth_method: 'private_key_jwt' }, 'private_key_jwt'],
    // ChatGPT's own document says both.
    [
      {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
      },
      'private_key_jwt',
    ],
    [{ token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'] }, 'private_key_jwt'],
    [{ token_endpoint_auth_methods_supported: ['client_secret_post', 'none'] }, 'none'],
    [{ token_endpoint_auth_method: 'none' }, 'none'],
    [{}, 'none'],
  ])('%j: %s', (methods, expected) => {
    expect(read({ ...methods, jwks: { keys: [RSA] } })).toMatchObject({ authMethod: expected })
  })

  it('with keys here or at an https URL, not both and not nowhere', () => {
    const method = { token_endpoint_auth_method: 'private_key_jwt' }
    const jwksUri = 'https://keys.example.com/jwks'
    expect(read({ ...method, jwks_uri: jwksUri })).toMatchObject({ keys: { jwksUri } })
    expect(read({ ...method, jwks: { keys: [RSA] } })).toMatchObject({
      keys: { jwks: { keys: [RSA] } },
    })
    expect(read(method)).toBe('private_key_jwt needs jwks or jwks_uri')
    expect(read({ ...method, jwks: { keys: [RSA] }, jwks_uri: jwksUri })).toMatch(/both/)
    expect(read({ ...method, jwks_uri: 'http://keys.example.com/jwks' })).toMatch(/https/)
  })

  it.each(['none', 'HS256', 'RSA1_5', ''])('never with %s', algorithm => {
    const metadata = {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: algorithm,
      jwks: { keys: [RSA] },
    }
    expect(read(metadata)).toMatch(/signing_alg/)
  })
})

describe('any document', () => {
  const anything = fc.oneof(fc.string(), fc.constant('none'), fc.jsonValue())

  it('makes a client with redirect URIs and without a secret, or is refused with a reason', () => {
    const documents = fc.record(
      {
        client_id: fc.oneof({ weight: 9, arbitrary: fc.constant(CLIENT_ID) }, anything),
        redirect_uris: fc.oneof(
          fc.array(fc.oneof(fc.webUrl(), fc.string(), fc.constant('http://localhost/cb'))),
          anything,
        ),
        client_name: anything,
        client_uri: anything,
        scope: anything,
        token_endpoint_auth_method: fc.oneof(fc.constantFrom('none', 'private_key_jwt'), anything),
        token_endpoint_auth_methods_supported: anything,
        jwks: anything,
        jwks_uri: fc.oneof(fc.webUrl(), anything),
        client_secret: anything,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(documents, fc.jsonValue()), document => {
        const client = readClientDocument(document, CLIENT_ID)
        if (typeof client === 'string') return client !== ''
        return (
          client.clientId === CLIENT_ID &&
          client.redirectUris.length > 0 &&
          (client.authMethod === 'none' || client.keys !== undefined) &&
          client.trusted === undefined &&
          client.mayIntrospect === undefined &&
          client.secretDigest === undefined
        )
      }),
      { numRuns: 500 },
    )
  })
})
