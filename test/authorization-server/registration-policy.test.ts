import { describe, expect, it } from 'vitest'
import { startFixture } from './client-fixture.ts'

const CURSOR = [
  'cursor://anysphere.cursor-mcp/oauth/callback',
  'https://www.cursor.com/agents/mcp/oauth/callback',
  'http://localhost:8787/callback',
]

function registration(redirectUris: readonly string[], method = 'none') {
  return {
    client_name: 'An app',
    redirect_uris: redirectUris,
    token_endpoint_auth_method: method,
  }
}

describe('registration, open', () => {
  it('is the default, and advertised', async () => {
    const { issuer, replicas } = await startFixture()
    const [replica] = replicas
    expect(await replica.metadata()).toMatchObject({ registration_endpoint: `${issuer}/register` })
    const reply = await replica.postJson('/register', registration(CURSOR))
    expect(reply).toMatchObject({ status: 201, body: { redirect_uris: CURSOR } })
  })
})

describe('registration, off', () => {
  it('is neither advertised nor done', async () => {
    const { replicas } = await startFixture({ registration: { enabled: false } })
    const [replica] = replicas
    expect(await replica.metadata()).not.toHaveProperty('registration_endpoint')
    const reply = await replica.postJson('/register', registration(CURSOR))
    expect(reply).toMatchObject({ status: 403, body: { error: 'access_denied' } })
    expect(reply.body).not.toHaveProperty('client_id')
  })
})

describe('registration with an initial access token (RFC 7591 section 3)', () => {
  const initialAccessToken = 'let-me-register-please'
  const start = () => startFixture({ registration: { initialAccessToken } })

  it('takes who presents it', async () => {
    const { replicas } = await start()
    for (const scheme of ['Bearer', 'bearer']) {
      const reply = await replicas[0].postJson('/register', registration(CURSOR), {
        authorization: `${scheme} ${initialAccessToken}`,
      })
      expect(reply.status).toBe(201)
    }
  })

  it.each([
    ['nothing', undefined],
    ['another token', 'Bearer let-me-register-pleasf'],
    ['a part of it', 'Bearer let-me-register'],
    ['more than it', `Bearer ${initialAccessToken}!`],
    ['an empty one', 'Bearer '],
    ['Basic', `Basic ${Buffer.from(`x:${initialAccessToken}`).toString('base64')}`],
  ])('refuses who presents %s', async (_, authorization) => {
    const { replicas } = await start()
    const headers = authorization === undefined ? {} : { authorization }
    const reply = await replicas[0].postJson('/register', registration(CURSOR), headers)
    expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer /)
  })

  it('says nothing of what is wrong with the metadata to who has none', async () => {
    const { replicas } = await start()
    const reply = await replicas[0].postJson('/register', { redirect_uris: ['javascript:x'] })
    expect(reply.body.error).toBe('invalid_token')
  })
})

describe('redirect policy', () => {
  it.each([
    ['hosts', { redirectHosts: ['www.cursor.com'] }, CURSOR],
    ['hosts below one', { redirectHosts: ['*.cursor.com'] }, CURSOR],
    ['no other host', { redirectHosts: ['cursor.com'] }, [CURSOR[0], CURSOR[2]]],
    ['no loopback', { loopback: false }, CURSOR.slice(0, 2)],
    ['no apps', { appSchemes: false }, CURSOR.slice(1)],
    [
      'one host only',
      { redirectHosts: ['www.cursor.com'], loopback: false, appSchemes: false },
      [CURSOR[1]],
    ],
  ])('registers what it permits and leaves out the rest: %s', async (_, policy, permitted) => {
    const { replicas } = await startFixture({ registration: policy })
    const reply = await replicas[0].postJson('/register', registration(CURSOR))
    expect(reply).toMatchObject({ status: 201, body: { redirect_uris: permitted } })
  })

  it('refuses a client of which nothing is left', async () => {
    const { replicas } = await startFixture({ registration: { redirectHosts: ['claude.ai'] } })
    for (const host of ['evil.example', 'claude.ai.evil.example', 'xclaude.ai']) {
      const reply = await replicas[0].postJson('/register', registration([`https://${host}/cb`]))
      expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_redirect_uri' } })
    }
  })

  it('counts for clients that registered before it, since nothing of theirs is stored', async () => {
    const { replicas, authorize, issuer } = await startFixture()
    const [replica] = replicas
    const { body } = await replica.postJson('/register', registration(CURSOR))
    const clientId = String(body.client_id)
    const { clients } = replica.server
    const { page } = await authorize({ client_id: clientId, redirect_uri: CURSOR[1] ?? '' })
    expect(page.html).toContain('action="/consent"')
    replica.server.clients = {
      ...clients,
      registration: { redirects: { hosts: ['claude.ai'], loopback: true, appSchemes: true } },
    }
    const later = await authorize({ client_id: clientId, redirect_uri: CURSOR[1] ?? '' })
    expect(later.page).toMatchObject({ status: 400, isStop: false })
    const still = await authorize({ client_id: clientId, redirect_uri: CURSOR[2] ?? '' })
    expect(still.page.html).toContain('action="/consent"')
    expect(still.page.url).toContain(issuer)
  })
})
