import { describe, expect, it } from 'vitest'
import { basic, createSecretPair, type Fixture, startFixture } from './client-fixture.ts'

const REDIRECT_URI = 'https://portal.example.com/callback'
const audit = createSecretPair()
const portal = createSecretPair()

const CLIENTS = [
  { id: 'audit', name: 'Audit', secretHash: audit.secretHash, introspection: true },
  { id: 'portal', name: 'Portal', redirectUris: [REDIRECT_URI], secretHash: portal.secretHash },
  { id: 'public', name: 'Public', redirectUris: [REDIRECT_URI] },
]

function start(): Promise<Fixture> {
  return startFixture({ clients: CLIENTS })
}

async function issue(fixture: Fixture) {
  const grant = await fixture.signIn('portal', REDIRECT_URI)
  const credentials = basic('portal', portal.secret)
  const { body } = await fixture.replicas[0].post('/token', grant, credentials)
  return { accessToken: String(body.access_token), refreshToken: String(body.refresh_token) }
}

function introspect(fixture: Fixture, token: string, headers = basic('audit', audit.secret)) {
  return fixture.replicas[1].post('/introspect', { token }, headers)
}

const INACTIVE = { active: false }

describe('introspection (RFC 7662)', () => {
  it('tells a caller that may ask what a live token is', async () => {
    const fixture = await start()
    const { accessToken } = await issue(fixture)
    const reply = await introspect(fixture, accessToken)
    expect(reply.status).toBe(200)
    expect(reply.headers.get('cache-control')).toBe('no-store')
    const { iat, exp, ...rest } = reply.body
    expect(rest).toEqual({
      active: true,
      token_type: 'Bearer',
      client_id: 'portal',
      scope: 'crm.read crm.write',
      sub: expect.any(String),
      aud: fixture.resource,
      iss: fixture.issuer,
      jti: expect.any(String),
    })
    expect(Number(exp) - Number(iat)).toBe(15 * 60)
  })

  it('calls a token inactive, and says no more, once it has expired', async () => {
    const fixture = await start()
    const { accessToken } = await issue(fixture)
    fixture.advance(15 * 60 + 1)
    expect(await introspect(fixture, accessToken)).toMatchObject({ status: 200, body: INACTIVE })
    expect((await introspect(fixture, accessToken)).body).toEqual(INACTIVE)
  })

  it('calls a token inactive whose grant was revoked on another replica', async () => {
    const fixture = await start()
    const { accessToken, refreshToken } = await issue(fixture)
    const credentials = basic('portal', portal.secret)
    await fixture.replicas[0].post('/revoke', { token: refreshToken }, credentials)
    expect((await introspect(fixture, accessToken)).body).toEqual(INACTIVE)
  })

  it('calls a token inactive whose grant is dead at the upstream', async () => {
    const fixture = await start()
    const { accessToken } = await issue(fixture)
    const { grants, now } = fixture.store
    const claims = await fixture.replicas[0].server.accessTokens.verify(accessToken)
    const claimed = await grants.claimUpstreamRefresh(claims?.grantId ?? '', 'test')
    if (!claimed) throw new Error('no lease')
    await grants.markDead(claimed.lease, claimed.grant.version, {
      error: 'invalid_grant',
      at: now(),
    })
    expect((await introspect(fixture, accessToken)).body).toEqual(INACTIVE)
  })

  it.each(['x', 'a.b.c', 'rt_x.y', 'eyJhbGciOiJub25lIn0.e30.'])(
    'calls %s inactive',
    async token => {
      expect((await introspect(await start(), token)).body).toEqual(INACTIVE)
    },
  )

  it('calls a refresh token inactive, and a token with a changed byte', async () => {
    const fixture = await start()
    const { accessToken, refreshToken } = await issue(fixture)
    const changed = accessToken.replace(/.$/, last => (last === 'A' ? 'Q' : 'A'))
    for (const token of [refreshToken, changed]) {
      expect((await introspect(fixture, token)).body).toEqual(INACTIVE)
    }
  })

  it('tells nothing to a stranger, a wrong secret or a public client: 401', async () => {
    const fixture = await start()
    const { accessToken } = await issue(fixture)
    const [replica] = fixture.replicas
    const { body } = await replica.postJson('/register', {
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
    })
    const attempts = [
      replica.post('/introspect', { token: accessToken }),
      introspect(fixture, accessToken, basic('audit', 'wrong')),
      introspect(fixture, accessToken, basic('audit', '')),
      replica.post('/introspect', { token: accessToken, client_id: 'public' }),
      replica.post('/introspect', { token: accessToken, client_id: 'audit' }),
      replica.post('/introspect', { token: accessToken, client_id: String(body.client_id) }),
    ]
    for (const reply of await Promise.all(attempts)) {
      expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
      expect(reply.body).not.toHaveProperty('active')
    }
  })

  it('tells nothing to a client that may not ask, even about its own tokens: 403', async () => {
    const fixture = await start()
    const { accessToken } = await issue(fixture)
    const reply = await introspect(fixture, accessToken, basic('portal', portal.secret))
    expect(reply).toMatchObject({ status: 403, body: { error: 'unauthorized_client' } })
    const { body } = await fixture.replicas[0].postJson('/register', {
      redirect_uris: [REDIRECT_URI],
    })
    const registered = basic(String(body.client_id), String(body.client_secret))
    expect(await introspect(fixture, accessToken, registered)).toMatchObject({ status: 403 })
  })

  it('needs a token', async () => {
    const reply = await introspect(await start(), '')
    expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it('is there and advertised only where somebody may ask', async () => {
    const [replica] = (await start()).replicas
    expect(await replica.metadata()).toMatchObject({
      introspection_endpoint: expect.stringMatching(/\/introspect$/),
      introspection_endpoint_auth_methods_supported: expect.not.arrayContaining(['none']),
    })
    const [without] = (await startFixture({ clients: CLIENTS.slice(1) })).replicas
    expect(await without.metadata()).not.toHaveProperty('introspection_endpoint')
    expect(await without.post('/introspect', { token: 'x' })).toMatchObject({ status: 404 })
  })
})
