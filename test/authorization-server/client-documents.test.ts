import { describe, expect, it } from 'vitest'
import { type Fixture, startFixture } from './client-fixture.ts'

const REDIRECT_URI = 'https://app.example.com/callback'

/** Publishes a document and answers its client id. */
function publish(
  { documents }: Fixture,
  overrides: Record<string, unknown> = {},
  path = '/client.json',
  host?: string,
): string {
  const clientId = documents.url(path, host)
  documents.publish(path, {
    body: {
      client_id: clientId,
      client_name: 'Example App',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...overrides,
    },
  })
  return clientId
}

async function open(fixture: Fixture, clientId: string, redirectUri = REDIRECT_URI) {
  const { page } = await fixture.authorize({ client_id: clientId, redirect_uri: redirectUri })
  return page
}

describe('a client ID metadata document', () => {
  it('makes a client that people are asked about by its host, and that gets and refreshes tokens', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    const page = await open(fixture, clientId)
    expect(page.status).toBe(200)
    expect(page.html).toContain(`<strong>app.example.com:${fixture.documents.port}</strong>`)
    const [first, second] = fixture.replicas
    const grant = await fixture.signIn(clientId, REDIRECT_URI)
    const issued = await first.post('/token', { ...grant, client_id: clientId })
    expect(issued).toMatchObject({ status: 200, body: { token_type: 'Bearer' } })
    const refreshed = await second.post('/token', {
      grant_type: 'refresh_token',
      refresh_token: String(issued.body.refresh_token),
      client_id: clientId,
    })
    expect(refreshed.status).toBe(200)
  })

  it('is fetched once by each replica, however many ask', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    await Promise.all([1, 2, 3, 4].map(() => open(fixture, clientId)))
    expect(fixture.documents.seen).toHaveLength(1)
  })

  it('is advertised, unless it is off', async () => {
    const on = await startFixture()
    expect(await on.replicas[0].metadata()).toMatchObject({
      client_id_metadata_document_supported: true,
    })
    const off = await startFixture({ clientDocuments: { enabled: false } })
    expect(await off.replicas[0].metadata()).not.toHaveProperty(
      'client_id_metadata_document_supported',
    )
    expect((await open(off, publish(off))).status).toBe(400)
    expect(off.documents.seen).toEqual([])
  })

  it('is read anew for each of two URLs that differ by a byte', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    const page = await open(fixture, `${clientId}?`)
    expect(page).toMatchObject({ status: 400, isStop: false })
    expect((await open(fixture, clientId)).status).toBe(200)
  })

  it('cannot speak for another URL', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture, { client_id: 'https://claude.ai/oauth/client.json' })
    expect(await open(fixture, clientId)).toMatchObject({ status: 400, isStop: false })
    expect(fixture.log()).toContainEqual(
      expect.objectContaining({ clientId, reason: 'its client_id is not its URL' }),
    )
  })

  it('sends nobody to a redirect URI that it does not name', async () => {
    const fixture = await startFixture()
    const page = await open(fixture, publish(fixture), 'https://evil.example/callback')
    expect(page).toMatchObject({ status: 400, isStop: false })
  })

  it('does not make a public client of one that presents a secret', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: clientId }
    const reply = await fixture.replicas[0].post('/token', { ...form, client_secret: 'made-up' })
    expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it('that is not there is an unknown client: a page, and 401 at /token', async () => {
    const fixture = await startFixture()
    const clientId = fixture.documents.url('/nothing.json')
    expect(await open(fixture, clientId)).toMatchObject({ status: 400, isStop: false })
    const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: clientId }
    const reply = await fixture.replicas[0].post('/token', form)
    expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it('whose server is down is an outage and not an unknown client', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    const grant = await fixture.signIn(clientId, REDIRECT_URI)
    fixture.documents.goDown()
    const [first, second] = fixture.replicas
    const form = { ...grant, client_id: clientId }
    const refused = await second.post('/token', form)
    expect(refused).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    // This one has a copy, and the code was not burnt.
    expect((await first.post('/token', form)).status).toBe(200)
    const other = await open(fixture, fixture.documents.url('/other.json'))
    expect(other.status).toBe(503)
  })

  it('is not fetched for a client that is denied', async () => {
    const fixture = await startFixture()
    const clientId = publish(fixture)
    await fixture.store.clients.deny(clientId)
    expect((await open(fixture, clientId)).status).toBe(400)
    expect(fixture.documents.seen).toEqual([])
  })

  it.each([
    'http://app.example.com/client.json',
    'https://app.example.com',
    'https://app.example.com/',
    'https://app.example.com/a/../client.json',
    'https://app.example.com/a/%2e%2e/client.json',
    'https://user@app.example.com/client.json',
    'https://app.example.com/client.json#x',
    'https://APP.example.com/client.json',
    'https://app.example.com:443/client.json',
    `https://app.example.com/${'x'.repeat(2048)}`,
  ])('is not looked for at %s', async clientId => {
    const fixture = await startFixture()
    expect(await open(fixture, clientId)).toMatchObject({ status: 400, isStop: false })
    expect(fixture.documents.seen).toEqual([])
  })
})

describe('domain policy', () => {
  const HOSTS = ['app.example.com', 'other.example.com', 'app.example.net', 'app.example.com.']

  it.each([
    [{}, [true, true, true]],
    [{ allow: ['app.example.com'] }, [true, false, false]],
    [{ allow: ['*.example.com'] }, [true, true, false]],
    [{ allow: ['example.com'] }, [false, false, false]],
    [{ allow: [] }, [false, false, false]],
    [{ deny: ['app.example.com'] }, [false, true, true]],
    [{ allow: ['*.example.com'], deny: ['app.example.com'] }, [false, true, false]],
  ])(
    '%j welcomes app.example.com, other.example.com, app.example.net: %j',
    async (policy, expected) => {
      const fixture = await startFixture({ clientDocuments: policy }, HOSTS)
      const answers = []
      for (const host of HOSTS.slice(0, 3)) {
        const { status } = await open(fixture, publish(fixture, {}, `/of-${host}.json`, host))
        answers.push(status === 200)
      }
      expect(answers).toEqual(expected)
      expect(fixture.documents.seen).toHaveLength(expected.filter(Boolean).length)
    },
  )

  it('is not evaded by a dot at the end of the host', async () => {
    const fixture = await startFixture({ clientDocuments: { deny: ['app.example.com'] } }, HOSTS)
    const clientId = publish(fixture, {}, '/client.json', 'app.example.com.')
    expect((await open(fixture, clientId)).status).toBe(400)
    expect(fixture.documents.seen).toEqual([])
  })
})

describe('documents of real clients', () => {
  it('Claude Code: loopback redirect URIs without a port', async () => {
    const fixture = await startFixture({}, ['claude.ai'])
    const clientId = publish(
      fixture,
      {
        client_name: 'Claude Code',
        client_uri: 'https://claude.ai',
        redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      },
      '/oauth/claude-code-client-metadata',
    )
    for (const redirectUri of [
      'http://localhost:53682/callback',
      'http://127.0.0.1:3118/callback',
      'http://localhost/callback',
    ]) {
      const page = await open(fixture, clientId, redirectUri)
      expect(page.html).toContain('An app on this computer')
    }
    expect((await open(fixture, clientId, 'http://localhost:53682/other')).status).toBe(400)
    expect((await open(fixture, clientId, 'http://[::1]:53682/callback')).status).toBe(400)
  })

  it('claude.ai: public, which the metadata must offer', async () => {
    const fixture = await startFixture({}, ['claude.ai'])
    const redirectUri = 'https://claude.ai/api/mcp/auth_callback'
    const clientId = publish(
      fixture,
      { client_name: 'Claude', redirect_uris: [redirectUri] },
      '/oauth/mcp-oauth-client-metadata',
    )
    const metadata = await fixture.replicas[0].metadata()
    expect(metadata.token_endpoint_auth_methods_supported).toContain('none')
    const grant = await fixture.signIn(clientId, redirectUri)
    const reply = await fixture.replicas[1].post('/token', { ...grant, client_id: clientId })
    expect(reply.status).toBe(200)
  })

  it('Cursor: web and loopback redirect URIs together', async () => {
    const fixture = await startFixture({}, ['cursor.com'])
    const clientId = publish(
      fixture,
      {
        client_name: 'Cursor',
        redirect_uris: [
          'https://www.cursor.com/agents/mcp/oauth/callback',
          'http://localhost:8787/callback',
          'cursor://anysphere.cursor-mcp/oauth/callback',
        ],
      },
      '/oauth/mcp-client.json',
    )
    const page = await open(fixture, clientId, 'cursor://anysphere.cursor-mcp/oauth/callback')
    expect(page.html).toContain('cursor:')
  })
})
