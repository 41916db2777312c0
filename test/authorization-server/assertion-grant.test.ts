import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { basic, createSecretPair } from './client-fixture.ts'
import {
  advance,
  assertIdentity,
  auditOf,
  type Claims,
  createSigner,
  type EnterpriseIdp,
  type Replicas,
  read,
  startEnterpriseIdp,
  startReplicas,
} from './loginless.ts'
import { CRM, ISSUER, WIKI } from './support.ts'

const assistant = createSecretPair()
const other = createSecretPair()
const REDIRECT = { redirectUris: ['https://assistant.example.com/cb'] }
const CLIENTS = [
  { id: 'assistant', name: 'Assistant', secretHash: assistant.secretHash, ...REDIRECT },
  { id: 'other', name: 'Other', secretHash: other.secretHash, ...REDIRECT },
  { id: 'public', name: 'Public', ...REDIRECT },
]
const ASSISTANT = basic('assistant', assistant.secret)
const TWO = { paths: ['/crm/mcp', '/wiki/mcp'] }

type Fixture = { idp: EnterpriseIdp; replicas: Replicas }

async function start(
  options: Parameters<typeof startReplicas>[1] = {},
  entry: Record<string, unknown> = {},
): Promise<Fixture> {
  const idp = await startEnterpriseIdp()
  const issuers = [{ issuer: idp.issuer, ...entry }]
  return { idp, replicas: startReplicas({ clients: CLIENTS, enterprise: { issuers } }, options) }
}

function assert({ idp, replicas }: Fixture, claims: Claims = {}, header = {}): Promise<string> {
  return assertIdentity(idp, replicas[0].clock.now(), claims, header)
}

function ask(
  { replicas: [replica] }: Fixture,
  assertion: string,
  form: Record<string, string> = {},
  credentials: Record<string, string> = ASSISTANT,
) {
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  return read(replica.post('/token', { grant_type, assertion, ...form }, credentials))
}

const REFUSED = { status: 400, body: { error: 'invalid_grant' } }
const INVALID_TARGET = { status: 400, body: { error: 'invalid_target' } }
const INVALID_SCOPE = { status: 400, body: { error: 'invalid_scope' } }

describe('an identity assertion (ID-JAG)', () => {
  it('is answered with an access token only, for its user', async () => {
    const fixture = await start()
    const { idp, replicas } = fixture
    const assertion = await assert(fixture, { groups: ['sales'] })
    const { status, headers, body } = await ask(fixture, assertion)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'crm.read',
    })
    const claims = await replicas[1].server.accessTokens.verify(String(body.access_token))
    expect(claims).toMatchObject({ clientId: 'assistant', subject: 'U019488227', resource: CRM })
    const grants = await replicas[1].store.grants.listBySubject(idp.issuer, 'U019488227')
    expect(grants.map(({ identity }) => identity)).toEqual([
      { issuer: idp.issuer, subject: 'U019488227', email: 'ada@example.com', groups: ['sales'] },
    ])
    expect(auditOf(replicas)).toContainEqual(
      expect.objectContaining({
        event: 'token',
        outcome: 'granted',
        clientId: 'assistant',
        issuer: idp.issuer,
        subject: 'U019488227',
        resource: CRM,
        scope: ['crm.read'],
      }),
    )
    expect(replicas.map(replica => replica.log()).join('')).not.toContain(assertion)
  })

  it.each<[string, (now: number) => Claims]>([
    ['of another issuer', () => ({ iss: 'https://elsewhere.example.com' })],
    ['without an issuer', () => ({ iss: undefined })],
    ['for another server', () => ({ aud: 'https://elsewhere.example.com' })],
    ['for another server too', () => ({ aud: [ISSUER, 'https://elsewhere.example.com'] })],
    ['for the resource rather than the server', () => ({ aud: CRM })],
    ['for nobody', () => ({ aud: undefined })],
    ['for another client', () => ({ client_id: 'other' })],
    ['for no client', () => ({ client_id: undefined })],
    ['without a user', () => ({ sub: undefined })],
    ['with an empty user', () => ({ sub: '' })],
    ['without an id', () => ({ jti: undefined })],
    ['with an empty id', () => ({ jti: '' })],
    ['with an endless id', () => ({ jti: 'x'.repeat(257) })],
    ['without an end', () => ({ exp: undefined })],
    ['that has expired', now => ({ exp: now - 61 })],
    ['that lives too long', now => ({ exp: now + 3600 + 61 })],
    ['without a beginning', () => ({ iat: undefined })],
    ['from the future', now => ({ iat: now + 61 })],
    ['that begins in the future', now => ({ nbf: now + 61 })],
    ['with a resource that is none', () => ({ resource: 1 })],
    ['with no resource at all', () => ({ resource: [] })],
    ['with a scope that is no text', () => ({ scope: ['crm.read'] })],
  ])('%s is refused', async (_, claimsAt) => {
    const fixture = await start()
    const claims = claimsAt(fixture.replicas[0].clock.now())
    expect(await ask(fixture, await assert(fixture, claims))).toMatchObject(REFUSED)
  })

  it.each<[string, (now: number) => Claims]>([
    ['has just expired', now => ({ exp: now - 59 })],
    ['is from a clock that is ahead', now => ({ iat: now + 59, exp: now + 359 })],
    ['names the server in a list', () => ({ aud: [ISSUER] })],
  ])('that %s is taken', async (_, claimsAt) => {
    const fixture = await start()
    const claims = claimsAt(fixture.replicas[0].clock.now())
    expect(await ask(fixture, await assert(fixture, claims))).toMatchObject({ status: 200 })
  })

  it.each(['JWT', 'at+jwt', 'id-jag+jwt', undefined])('of type %s is refused', async typ => {
    const fixture = await start()
    expect(await ask(fixture, await assert(fixture, {}, { typ }))).toMatchObject(REFUSED)
  })

  it('signed by a stranger is refused, also under the name of a known key', async () => {
    const fixture = await start()
    const { idp, replicas } = fixture
    for (const kid of [idp.signer.jwk.kid, 'unknown']) {
      const signer = await createSigner('ES256', kid)
      const forged = await assertIdentity({ ...idp, signer }, replicas[0].clock.now())
      expect(await ask(fixture, forged)).toMatchObject(REFUSED)
    }
  })

  it.each(['none', 'HS256'])('with alg %s is refused', async alg => {
    const fixture = await start()
    const [, payload] = (await assert(fixture)).split('.')
    const header = { alg, typ: 'oauth-id-jag+jwt', kid: fixture.idp.signer.jwk.kid }
    const signed = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`
    const key = JSON.stringify(fixture.idp.signer.jwk)
    const signature =
      alg === 'none' ? '' : createHmac('sha256', key).update(signed).digest('base64url')
    expect(await ask(fixture, `${signed}.${signature}`)).toMatchObject(REFUSED)
  })

  it.each(['x', 'a.b.c', 'e30.e30.', '....'])('that is %s is refused', async assertion => {
    expect(await ask(await start(), assertion)).toMatchObject(REFUSED)
  })

  it('is needed', async () => {
    expect(await ask(await start(), '')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })

  it('is no grant type at all where no issuer is configured', async () => {
    const idp = await startEnterpriseIdp()
    const fixture = { idp, replicas: startReplicas({ clients: CLIENTS }) }
    expect(await ask(fixture, await assert(fixture))).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    })
  })
})

describe('the client of an assertion', () => {
  it('must authenticate', async () => {
    const fixture = await start()
    const assertion = await assert(fixture)
    const wrong = await ask(fixture, assertion, {}, basic('assistant', 'wrong'))
    expect(wrong).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    const forPublic = await assert(fixture, { client_id: 'public' })
    expect(await ask(fixture, forPublic, { client_id: 'public' }, {})).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    })
    // Nothing of it was used up.
    expect(await ask(fixture, assertion)).toMatchObject({ status: 200 })
  })

  it('is the one that the assertion names', async () => {
    const fixture = await start()
    const assertion = await assert(fixture)
    const stolen = await ask(fixture, assertion, {}, basic('other', other.secret))
    expect(stolen).toMatchObject(REFUSED)
    expect(await ask(fixture, assertion)).toMatchObject({ status: 200 })
  })

  it('is among those of the issuer, where it has a list', async () => {
    const fixture = await start({}, { clients: ['other'] })
    expect(await ask(fixture, await assert(fixture))).toMatchObject(REFUSED)
    const assertion = await assert(fixture, { client_id: 'other' })
    const reply = await ask(fixture, assertion, {}, basic('other', other.secret))
    expect(reply).toMatchObject({ status: 200 })
  })
})

describe('replay of an assertion', () => {
  it('is refused on every replica, also when all are asked at once', async () => {
    const fixture = await start()
    const { idp, replicas } = fixture
    const assertion = await assert(fixture)
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        ask({ idp, replicas: i % 2 ? replicas : [replicas[1], replicas[0]] }, assertion),
      ),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(replies.filter(({ body }) => body.error === 'invalid_grant')).toHaveLength(9)
  })

  it('is refused for as long as it could be taken', async () => {
    const fixture = await start()
    const assertion = await assert(fixture)
    expect(await ask(fixture, assertion)).toMatchObject({ status: 200 })
    for (const seconds of [299, 60, 1]) {
      advance(fixture.replicas, seconds)
      expect(await ask(fixture, assertion)).toMatchObject(REFUSED)
    }
  })

  it('is judged by issuer: two may use the same id', async () => {
    const idps = [await startEnterpriseIdp(), await startEnterpriseIdp()]
    const issuers = idps.map(({ issuer }) => ({ issuer }))
    const replicas = startReplicas({ clients: CLIENTS, enterprise: { issuers } })
    for (const idp of idps) {
      const fixture = { idp, replicas }
      expect(await ask(fixture, await assert(fixture, { jti: 'same' }))).toMatchObject({
        status: 200,
      })
    }
  })

  it('does not use up the id of a forged one', async () => {
    const fixture = await start()
    const { idp, replicas } = fixture
    const signer = await createSigner('ES256', idp.signer.jwk.kid)
    const claims = { jti: 'guessed' }
    const forged = await assertIdentity({ ...idp, signer }, replicas[0].clock.now(), claims)
    expect(await ask(fixture, forged)).toMatchObject(REFUSED)
    expect(await ask(fixture, await assert(fixture, claims))).toMatchObject({ status: 200 })
  })
})

describe('the resource of an assertion', () => {
  it.each<[string, unknown, Record<string, string>, string]>([
    ['the one that it names', CRM, {}, CRM],
    ['the one of its list that is here', ['https://elsewhere.example.com', WIKI], {}, WIKI],
    ['the one of its list that is asked for', [CRM, WIKI], { resource: WIKI }, WIKI],
    ['the one that is asked for, where it names none', undefined, { resource: WIKI }, WIKI],
  ])('is %s', async (_, resource, form, expected) => {
    const fixture = await start(TWO)
    const { body } = await ask(fixture, await assert(fixture, { resource }), form)
    const claims = await fixture.replicas[0].server.accessTokens.verify(String(body.access_token))
    expect(claims?.resource).toBe(expected)
  })

  it.each<[string, unknown, Record<string, string>]>([
    ['elsewhere', 'https://elsewhere.example.com/mcp', {}],
    ['another than is asked for', CRM, { resource: WIKI }],
    ['not said, of several', [CRM, WIKI], {}],
    ['not said at all, with several here', undefined, {}],
  ])('is refused where it is %s', async (_, resource, form) => {
    const fixture = await start(TWO)
    const assertion = await assert(fixture, { resource })
    expect(await ask(fixture, assertion, form)).toMatchObject(INVALID_TARGET)
  })

  it('is refused whose backend needs a person who signed in here', async () => {
    const fixture = await start({ loginless: [] })
    expect(await ask(fixture, await assert(fixture))).toMatchObject(INVALID_TARGET)
  })

  it.each<[string, Claims]>([
    ['group', { groups: ['sales'] }],
    ['claim', { department: 'sales' }],
  ])('is for whom its rules let in by %s', async (_, claims) => {
    const allow = { any: [{ group: 'sales' }, { claim: 'department', value: 'sales' }] }
    const fixture = await start({ allow })
    expect(await ask(fixture, await assert(fixture))).toMatchObject(REFUSED)
    expect(await ask(fixture, await assert(fixture, claims))).toMatchObject({ status: 200 })
  })
})

describe('the scope of an assertion', () => {
  it.each<[unknown, string, string]>([
    ['crm.read', '', 'crm.read'],
    ['crm.read crm.write', 'crm.read', 'crm.read'],
    ['crm.read', 'crm.read crm.write', 'crm.read'],
    ['crm.write openid', 'crm.write openid', 'crm.write'],
    [undefined, '', 'crm.read crm.write'],
    [undefined, 'crm.read', 'crm.read'],
  ])('%j, with %j asked for, gives %j', async (scope, requested, granted) => {
    const fixture = await start()
    const reply = await ask(fixture, await assert(fixture, { scope }), { scope: requested })
    expect(reply).toMatchObject({ status: 200, body: { scope: granted } })
  })

  it.each([
    ['crm.read', 'crm.write'],
    ['openid', ''],
    ['', 'crm.read'],
    ['crm.read "', ''],
  ])('%j, with %j asked for, is refused, and can be asked for again', async (scope, requested) => {
    const fixture = await start()
    const assertion = await assert(fixture, { scope })
    expect(await ask(fixture, assertion, { scope: requested })).toMatchObject(INVALID_SCOPE)
    expect(await ask(fixture, assertion, { scope: requested })).toMatchObject(INVALID_SCOPE)
  })
})

describe('the keys of an issuer', () => {
  it('are found by its metadata, once for many assertions', async () => {
    const fixture = await start()
    for (let i = 0; i < 3; i++)
      expect(await ask(fixture, await assert(fixture))).toMatchObject({ status: 200 })
    expect(fixture.idp.seen).toEqual(['/.well-known/openid-configuration', '/keys'])
  })

  it('are found where the configuration says', async () => {
    const idp = await startEnterpriseIdp()
    idp.publish('/elsewhere', { keys: [idp.signer.jwk] })
    const issuers = [{ issuer: idp.issuer, jwksUri: `${idp.issuer}/elsewhere` }]
    const fixture = { idp, replicas: startReplicas({ clients: CLIENTS, enterprise: { issuers } }) }
    expect(await ask(fixture, await assert(fixture))).toMatchObject({ status: 200 })
    expect(idp.seen).toEqual(['/elsewhere'])
  })

  it('are fetched again for a new one, but not for each that is nowhere', async () => {
    const fixture = await start()
    const { idp, replicas } = fixture
    expect(await ask(fixture, await assert(fixture))).toMatchObject({ status: 200 })
    const signer = await createSigner()
    const renewed = () => assertIdentity({ ...idp, signer }, replicas[0].clock.now())
    for (let i = 0; i < 3; i++) expect(await ask(fixture, await renewed())).toMatchObject(REFUSED)
    expect(idp.seen.filter(path => path === '/keys')).toHaveLength(1)
    idp.publish('/keys', { keys: [signer.jwk] })
    advance(replicas, 31)
    expect(await ask(fixture, await renewed())).toMatchObject({ status: 200 })
    expect(await ask(fixture, await assert(fixture))).toMatchObject(REFUSED)
  })

  it.each<[string, string, unknown]>([
    ['the metadata is missing', '/.well-known/openid-configuration', 404],
    [
      'the metadata is of another issuer',
      '/.well-known/openid-configuration',
      { issuer: 'https://elsewhere.example.com', jwks_uri: 'https://elsewhere.example.com/keys' },
    ],
    ['the keys are not there', '/keys', 503],
    ['the keys are none', '/keys', { keys: [] }],
    ['the keys are somewhere else by now', '/keys', 302],
  ])('are an outage where %s; the assertion stays good', async (_, path, answer) => {
    const fixture = await start()
    const { idp, replicas } = fixture
    const good = path === '/keys' ? { keys: [idp.signer.jwk] } : undefined
    idp.publish(path, answer)
    const assertion = await assert(fixture)
    expect(await ask(fixture, assertion)).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
    })
    idp.publish(path, good ?? { issuer: idp.issuer, jwks_uri: `${idp.issuer}/keys` })
    advance(replicas, 11)
    expect(await ask(fixture, assertion)).toMatchObject({ status: 200 })
  })
})

describe('metadata of the extensions (RFC 8414 section 2)', () => {
  const USUAL = ['authorization_code', 'refresh_token']
  const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  const machine = { ...CLIENTS[0], clientCredentials: true }
  const enterprise = { issuers: [{ issuer: 'https://acme.idp.example' }] }

  it.each<[string, Record<string, unknown>, string[], string[] | undefined]>([
    ['nothing', { clients: CLIENTS }, USUAL, undefined],
    ['machines', { clients: [machine] }, [...USUAL, 'client_credentials'], undefined],
    [
      'issuers',
      { enterprise },
      [...USUAL, JWT_BEARER],
      ['urn:ietf:params:oauth:grant-profile:id-jag'],
    ],
  ])('says so where %s is configured', async (_, sections, grantTypes, profiles) => {
    const [replica] = startReplicas(sections)
    const { body } = await read(replica.request('/.well-known/oauth-authorization-server'))
    expect(body.grant_types_supported).toEqual(grantTypes)
    expect(body.authorization_grant_profiles_supported).toEqual(profiles)
  })
})
