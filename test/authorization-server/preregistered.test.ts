import { describe, expect, it } from 'vitest'
import { basic, createSecretPair, startFixture } from './client-fixture.ts'

const REDIRECT_URI = 'https://portal.example.com/callback'
const PORTAL = { id: 'portal', name: 'Portal', redirectUris: [REDIRECT_URI] }

describe('a client of the configuration', () => {
  it('is asked for consent as one that is known to the company, and gets tokens', async () => {
    const { secret, secretHash } = createSecretPair()
    const fixture = await startFixture({ clients: [{ ...PORTAL, secretHash }] })
    const { page } = await fixture.authorize({ client_id: 'portal', redirect_uri: REDIRECT_URI })
    expect(page.html).toContain('Known to your company')
    expect(page.html).toContain('Portal')
    const grant = await fixture.signIn('portal', REDIRECT_URI)
    const reply = await fixture.replicas[1].post('/token', grant, basic('portal', secret))
    expect(reply).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', scope: 'crm.read crm.write' },
    })
  })

  it('sends its secret in the header or in the form', async () => {
    const { secret, secretHash } = createSecretPair()
    const fixture = await startFixture({ clients: [{ ...PORTAL, secretHash }] })
    const grant = await fixture.signIn('portal', REDIRECT_URI)
    const reply = await fixture.replicas[0].post('/token', {
      ...grant,
      client_id: 'portal',
      client_secret: secret,
    })
    expect(reply.status).toBe(200)
  })

  it('burns no code with a wrong, an empty or no secret, nor with the hash', async () => {
    const { secret, secretHash } = createSecretPair()
    const fixture = await startFixture({ clients: [{ ...PORTAL, secretHash }] })
    const [first, second] = fixture.replicas
    const grant = await fixture.signIn('portal', REDIRECT_URI)
    for (const wrong of ['wrong', '', secretHash, secretHash.slice('sha256:'.length)]) {
      const refused = await first.post('/token', grant, basic('portal', wrong))
      expect(refused).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    }
    const without = await second.post('/token', { ...grant, client_id: 'portal' })
    expect(without).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect((await second.post('/token', grant, basic('portal', secret))).status).toBe(200)
  })

  it('may be public', async () => {
    const fixture = await startFixture({ clients: [PORTAL] })
    const grant = await fixture.signIn('portal', REDIRECT_URI)
    const [replica] = fixture.replicas
    const form = { ...grant, client_id: 'portal' }
    const withSecret = await replica.post('/token', { ...form, client_secret: 'made-up-secret' })
    expect(withSecret).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect((await replica.post('/token', form)).status).toBe(200)
  })

  it('goes nowhere but to its redirect URIs', async () => {
    const fixture = await startFixture({ clients: [PORTAL] })
    for (const redirect_uri of ['https://portal.example.com/callback2', 'https://evil.example/']) {
      const { page } = await fixture.authorize({ client_id: 'portal', redirect_uri })
      expect(page).toMatchObject({ status: 400, isStop: false })
    }
  })

  it('gets its own scopes where it asks for none', async () => {
    const fixture = await startFixture({ clients: [{ ...PORTAL, scopes: ['crm.read'] }] })
    const grant = await fixture.signIn('portal', REDIRECT_URI)
    const reply = await fixture.replicas[0].post('/token', { ...grant, client_id: 'portal' })
    expect(reply.body).toMatchObject({ scope: 'crm.read' })
  })

  it('is unknown once it is denied', async () => {
    const fixture = await startFixture({ clients: [PORTAL] })
    await fixture.store.clients.deny('portal')
    const { page } = await fixture.authorize({ client_id: 'portal', redirect_uri: REDIRECT_URI })
    expect(page).toMatchObject({ status: 400, isStop: false })
  })

  it('may be a metadata document that is not fetched', async () => {
    const id = 'https://unreachable.example.com/client.json'
    const fixture = await startFixture({ clients: [{ ...PORTAL, id }] })
    const grant = await fixture.signIn(id, REDIRECT_URI)
    const reply = await fixture.replicas[0].post('/token', { ...grant, client_id: id })
    expect(reply.status).toBe(200)
    expect(fixture.documents.seen).toEqual([])
  })
})

describe('a trusted client', () => {
  const trusted = { ...PORTAL, trusted: true }

  it('skips the consent page and nothing else', async () => {
    const fixture = await startFixture({ clients: [trusted] })
    const { page } = await fixture.authorize({
      client_id: 'portal',
      redirect_uri: REDIRECT_URI,
      state: 'of the client',
    })
    const { searchParams } = new URL(page.url)
    expect(page.isStop).toBe(true)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      code: expect.any(String),
      state: 'of the client',
      iss: fixture.issuer,
    })
    expect(page.hops.map(({ url }) => new URL(url).pathname)).not.toContain('/consent')
  })

  it('still binds the flow to the browser that began it', async () => {
    const fixture = await startFixture({ clients: [trusted] })
    const query = new URLSearchParams({
      client_id: 'portal',
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    })
    const { app } = fixture.replicas[0]
    const begun = await app.request(`${fixture.issuer}/authorize?${query}`)
    expect(begun.status).toBe(303)
    expect(begun.headers.get('set-cookie')).toMatch(
      /^login-[\w-]+=[\w-]{43};.*HttpOnly; SameSite=Lax/,
    )
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state') ?? ''
    const other = await app.request(`${fixture.issuer}/callback?code=x&state=${state}`)
    expect(other.status).toBe(400)
    expect(await other.text()).toContain('This browser did not start the sign-in')
  })

  it('has its user asked where it wants that: prompt=consent', async () => {
    const fixture = await startFixture({ clients: [trusted] })
    const { page } = await fixture.authorize({
      client_id: 'portal',
      redirect_uri: REDIRECT_URI,
      prompt: 'consent',
    })
    expect(page).toMatchObject({ status: 200, isStop: false })
    expect(page.html).toContain('action="/consent"')
  })

  it('has its request checked: PKCE, resource, redirect URI', async () => {
    const fixture = await startFixture({ clients: [trusted] })
    const ask = (parameters: Record<string, string>) =>
      fixture.authorize({ client_id: 'portal', redirect_uri: REDIRECT_URI, ...parameters })
    for (const parameters of [
      { code_challenge_method: 'plain' },
      { code_challenge: '' },
      { resource: 'https://other.example.com/mcp' },
    ]) {
      const { page } = await ask(parameters)
      expect(new URL(page.url).searchParams.get('error')).toMatch(/^invalid_(request|target)$/)
    }
    const { page } = await ask({ redirect_uri: 'https://evil.example/' })
    expect(page).toMatchObject({ status: 400, isStop: false })
  })
})
