import { describe, expect, it } from 'vitest'
import {
  type Claims,
  type ExternalIssuer,
  startExternalIssuer,
  unsecured,
} from '../support/external-issuer.ts'
import { createAdmissionHouse, OTHER_RESOURCE, RESOURCE } from './house.ts'

/** What the other parties of a test are called in a table, before they exist. */
type Make = (issuer: ExternalIssuer, now: number) => Promise<string> | string

const signed =
  (changes: Claims, header?: Claims): Make =>
  issuer =>
    issuer.sign(issuer.claims(RESOURCE, changes), header)

const without =
  (name: string): Make =>
  issuer =>
    issuer.sign(JSON.parse(JSON.stringify(issuer.claims(RESOURCE, { [name]: undefined }))))

describe('RFC 9068 section 4: an access token of the authorization server', () => {
  it('opens the resource that it is for, with what it says of user, client and scope', async () => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    const token = await issuer.sign(issuer.claims(RESOURCE, { jti: 'one' }))
    expect(await admit(token)).toEqual({
      outcome: 'admitted',
      claims: {
        grantId: expect.stringMatching(/^[\w-]{43}\.crm$/),
        clientId: 'a-client',
        subject: 'alice',
        resource: RESOURCE,
        scope: ['crm.read'],
        tokenId: 'one',
        issuedAt: clock.now(),
        expiresAt: clock.now() + 600,
      },
    })
  })

  it.each<[string, Claims, Claims | undefined]>([
    ['typ application/at+jwt', {}, { typ: 'application/at+jwt' }],
    ['typ JWT, as of Entra ID', { scope: undefined, scp: 'crm.read' }, { typ: 'JWT' }],
    [
      'scp as a list, as of Okta',
      { scope: undefined, scp: ['crm.read'], cid: 'c' },
      { typ: 'JWT' },
    ],
    ['no typ, as of Cognito', { token_use: 'access' }, { typ: undefined }],
    ['a nonce beside typ Bearer, as of Keycloak', { nonce: 'n', typ: 'Bearer' }, { typ: 'JWT' }],
    ['several audiences', { aud: [RESOURCE, 'https://login.example.com/userinfo'] }, undefined],
    ['a scope qualified by its API', { scope: 'openid crm.read' }, undefined],
    ['nbf within a minute', { nbf: 1_900_000_059 }, undefined],
  ])('may come as vendors write it: %s', async (_, changes, header) => {
    const { issuer, admit } = await createAdmissionHouse()
    const token = await issuer.sign(issuer.claims(RESOURCE, changes), header)
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
  })

  it.each<[string, Claims, string]>([
    ['client_id', { client_id: 'a', azp: 'b' }, 'a'],
    ['azp', { client_id: undefined, azp: 'b' }, 'b'],
    ['appid', { client_id: undefined, appid: 'c' }, 'c'],
    ['cid', { client_id: undefined, cid: 'd' }, 'd'],
    ['nothing', { client_id: undefined }, ''],
  ])('names its client as vendors do: %s', async (_, changes, clientId) => {
    const { issuer, admit } = await createAdmissionHouse()
    const answer = await admit(await issuer.sign(issuer.claims(RESOURCE, changes)))
    expect(answer).toMatchObject({ claims: { clientId } })
  })

  it.each<[string, Make, RegExp]>([
    ['another issuer', signed({ iss: 'https://other.example.com' }), /iss/],
    [
      'an issuer with a slash more',
      async i => i.sign(i.claims(RESOURCE, { iss: `${i.issuer}/` })),
      /iss/,
    ],
    ['no issuer', without('iss'), /iss/],
    ['another audience', signed({ aud: 'https://other.example.com' }), /audience/],
    ['another resource of this gateway', signed({ aud: OTHER_RESOURCE }), /audience/],
    ['an audience that only begins like it', signed({ aud: `${RESOURCE}/x` }), /audience/],
    ['no audience', without('aud'), /aud/],
    ['an audience that is no text', signed({ aud: [RESOURCE, 7] }), /aud/],
    ['alg none', i => unsecured(i.claims(RESOURCE)), /alg|jose|jws/],
    ['alg HS256 with the public key', i => i.forge(i.claims(RESOURCE)), /alg/],
    ['expired by a second', (i, now) => i.sign(i.claims(RESOURCE, { exp: now - 1 })), /expired/],
    ['expired just now', (i, now) => i.sign(i.claims(RESOURCE, { exp: now })), /expired/],
    ['no end', without('exp'), /exp/],
    ['not good yet', signed({ nbf: 1_900_000_061 }), /nbf/],
    ['a key that its issuer does not publish', foreign, /matching|signature/],
    ['a signature of another token', swapped, /signature/],
    ['typ of an ID-JAG', signed({}, { typ: 'oauth-id-jag+jwt' }), /typ/],
    ['typ of a logout token', signed({}, { typ: 'logout+jwt' }), /typ/],
    ['an ID token: typ JWT and a nonce', signed({ nonce: 'n' }, { typ: 'JWT' }), /ID token/],
    ['an ID token: typ JWT and at_hash', signed({ at_hash: 'h' }, { typ: 'JWT' }), /ID token/],
    ['an ID token: no scope', signed({ scope: undefined }, { typ: 'JWT' }), /no scope/],
    ['an ID token of Keycloak', signed({ typ: 'ID' }, { typ: 'JWT' }), /typ/],
    ['an ID token of Cognito', signed({ token_use: 'id' }, { typ: undefined }), /token_use/],
    ['bound to a key of its client', signed({ cnf: { jkt: 'k' } }), /bound/],
    ['nobody', without('sub'), /sub/],
    ['a scope that is no text', signed({ scope: { crm: true } }), /scope/],
    ['what is no JWT', () => 'abc', /jwt|jws|token/i],
    ['what is not even like one', () => 'a.b.c', /./],
  ])('opens nothing with %s', async (_, make, reason) => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    const token = await make(issuer, clock.now())
    const answer = await admit(token)
    expect(answer).toEqual({ outcome: 'invalid-token', reason: expect.stringMatching(reason) })
  })

  it('opens nothing more once it has ended, however often it was admitted', async () => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    const token = await issuer.sign(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    clock.advance(599)
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    clock.advance(1)
    expect(await admit(token)).toEqual({ outcome: 'invalid-token', reason: 'expired' })
  })

  it('for an audience that the backend is known by there opens it, and its URL does not', async () => {
    const { issuer, admit } = await createAdmissionHouse({ backend: { audience: 'api://crm' } })
    const good = await issuer.sign(issuer.claims('api://crm'))
    expect(await admit(good)).toMatchObject({ outcome: 'admitted', claims: { resource: RESOURCE } })
    const other = await issuer.sign(issuer.claims(RESOURCE))
    expect(await admit(other)).toMatchObject({ outcome: 'invalid-token' })
  })

  it('for several resources opens each with claims of its own', async () => {
    const { issuer, admit } = await createAdmissionHouse()
    const token = await issuer.sign(issuer.claims([RESOURCE, OTHER_RESOURCE]))
    const answers = await Promise.all([admit(token), admit(token, OTHER_RESOURCE)])
    const ids = answers.map(answer => answer.outcome === 'admitted' && answer.claims.grantId)
    expect(ids).toEqual([expect.stringMatching(/\.crm$/), expect.stringMatching(/\.files$/)])
  })

  it('with the short name of a scope has the scope that the configuration spells out', async () => {
    const scopes = ['api://crm/read', 'api://crm/write']
    const { issuer, admit } = await createAdmissionHouse({ backend: { scopes } })
    const token = await issuer.sign(issuer.claims(RESOURCE, { scope: undefined, scp: 'read x' }))
    expect(await admit(token)).toMatchObject({ claims: { scope: ['api://crm/read', 'x'] } })
  })
})

describe('the keys of the authorization server', () => {
  it('are fetched once, and again for a token of a new one', async () => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    for (const _round of [1, 2, 3]) await admit(await issuer.sign(issuer.claims(RESOURCE)))
    expect(issuer.requestsTo('jwks')).toHaveLength(1)
    await issuer.rotate()
    clock.advance(31)
    const token = await issuer.sign(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    expect(issuer.requestsTo('jwks')).toHaveLength(2)
  })

  it('are not fetched again for tokens of another issuer', async () => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    await admit(await issuer.sign(issuer.claims(RESOURCE)))
    clock.advance(31)
    await admit(
      await issuer.sign(issuer.claims(RESOURCE, { iss: 'https://o.example.com' }), { kid: 'x' }),
    )
    expect(issuer.requestsTo('jwks')).toHaveLength(1)
  })

  it('that cannot be had are an outage, never a statement about the token', async () => {
    const { issuer, admit, clock } = await createAdmissionHouse()
    issuer.intercept(() => ({ status: 503, json: {} }))
    const token = await issuer.sign(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({ outcome: 'unavailable', retryAfterSeconds: 5 })
    issuer.intercept(undefined)
    clock.advance(11)
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
  })

  it('are found by the metadata of an authorization server too, and by jwksUri without any', async () => {
    const plain = await createAdmissionHouse()
    const { issuer, admit } = plain
    issuer.intercept(async ({ path }, proceed) => {
      if (path === '/.well-known/openid-configuration') return { status: 404, json: {} }
      if (path !== '/.well-known/oauth-authorization-server') return proceed()
      return { json: { issuer: issuer.issuer, jwks_uri: `${issuer.origin}/jwks` } }
    })
    const token = await issuer.sign(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    const other = await startExternalIssuer(plain.clock.now)
    other.intercept(({ path }) => (path === '/jwks' ? undefined : { status: 404, json: {} }))
    const server = { issuer: other.issuer, jwksUri: `${other.origin}/jwks` }
    const bare = await createAdmissionHouse({ server })
    const its = await other.sign(other.claims(RESOURCE))
    expect(await bare.admit(its)).toMatchObject({ outcome: 'admitted' })
  })
})

async function foreign(issuer: ExternalIssuer): Promise<string> {
  const stranger = await startExternalIssuer(() => 1_900_000_000)
  return stranger.sign({ ...issuer.claims(RESOURCE) })
}

async function swapped(issuer: ExternalIssuer): Promise<string> {
  const [head, , signature] = (await issuer.sign(issuer.claims(RESOURCE))).split('.')
  const [, body] = (await issuer.sign(issuer.claims(RESOURCE, { sub: 'bob' }))).split('.')
  return [head, body, signature].join('.')
}
