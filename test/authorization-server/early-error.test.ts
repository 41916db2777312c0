import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import { createClientSources } from '../../src/gateway/clients.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import { MINIMAL, readTree } from '../config/support.ts'
import { ask, type Change, expectConsent, expectPage, linkOf } from './authorizing.ts'
import { startFixture } from './client-fixture.ts'
import { answerOf, approve, authorizationRequest, openConsent, register } from './sign-in.ts'
import { createGateway, encodePairs, failing, type GatewayOptions, ISSUER } from './support.ts'

const EVIL = 'https://evil.example/phish'
const APP = 'com.example.app:/callback'

/** A gateway whose configuration has these sections. */
function createConfigured(sections: Record<string, unknown>, options: GatewayOptions = {}) {
  const network = { resolve: async () => [], isAllowed: () => false }
  const config = readTree({ ...MINIMAL, ...sections })
  return createGateway({
    ...options,
    clients: (logger, now) =>
      createClientSources(config, createGuardedFetch({ network }), logger, now),
  })
}

async function askStranger(change: Change, redirect_uri = EVIL, gateway = createGateway()) {
  const client = await register(gateway, { redirect_uris: [redirect_uri] })
  return ask(gateway, client, { redirect_uri, ...change })
}

function expectRedirect(response: Response, redirectUri: string): void {
  expect(response.status).toBe(303)
  const location = new URL(response.headers.get('location') ?? '')
  expect(location.href.startsWith(`${redirectUri}?`)).toBe(true)
  expect(Object.fromEntries(location.searchParams)).toMatchObject({
    ...{ error: 'invalid_scope', state: 'client-state', iss: ISSUER },
  })
}

const BAD_SCOPE = { scope: '"' }

describe('a request of a stranger that fails before its user was asked (RFC 9700 section 4.11.2)', () => {
  it.each<[string, Change, string, string]>([
    ['a bad scope', BAD_SCOPE, 'invalid_scope', 'rights that cannot be understood'],
    ['another response type', { response_type: 'token' }, 'unsupported_response_type', 'in a form'],
    ['no PKCE', { code_challenge: undefined }, 'invalid_request', 'made a faulty request'],
    ['a foreign resource', { resource: EVIL }, 'invalid_target', 'a service that is not here'],
    ['prompt=none', { prompt: 'none' }, 'consent_required', 'without asking you'],
  ])(
    'ends on a page with a link, not at its redirect URI: %s',
    async (_what, change, error, title) => {
      const response = await askStranger(change)
      await expectPage(response.clone(), title)
      const html = await response.clone().text()
      expect(html).toContain('<p class="destination">evil.example</p>')
      expect(html).toContain('Return to evil.example</a>')
      expect(html).toContain('App: <bdi>Test client</bdi>')
      expect(html).toContain(`Error: <bdi>${error}, `)
      const { origin, pathname, searchParams } = await linkOf(response)
      expect(origin + pathname).toBe(EVIL)
      const { error_description, ...answer } = Object.fromEntries(searchParams)
      expect(answer).toEqual({ error, state: 'client-state', iss: ISSUER })
      expect(error_description).toMatch(/^[\x20-\x7e]+$/)
    },
  )

  it('does so where a parameter is repeated, and for a form', async () => {
    const gateway = createGateway()
    const client = await register(gateway, { redirect_uris: [EVIL] })
    const request = authorizationRequest(client, { redirect_uri: EVIL })
    const query = encodePairs([...Object.entries(request), ['scope', 'a'], ['scope', 'b']])
    for (const response of [
      await gateway.request(`/authorize?${query}`),
      await gateway.post('/authorize', query),
    ])
      expect((await linkOf(response)).searchParams.get('error')).toBe('invalid_request')
  })

  it('does so where the redirect URI is left out', async () => {
    const response = await askStranger({ ...BAD_SCOPE, redirect_uri: undefined })
    expect((await linkOf(response)).origin).toBe('https://evil.example')
  })

  it('names the scheme of an app, which anybody may have registered', async () => {
    const response = await askStranger(BAD_SCOPE, APP)
    expect(await response.clone().text()).toContain('Return to the app for com.example.app: links')
    const { protocol, searchParams } = await linkOf(response)
    expect(protocol).toBe('com.example.app:')
    expect(searchParams.get('error')).toBe('invalid_scope')
  })

  it('has headers that forbid scripts, frames and storing, and tells the other side no referrer', async () => {
    const { headers } = await askStranger(BAD_SCOPE)
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('script-src')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('referrer-policy')).toBe('same-origin')
    expect(headers.get('refresh')).toBeNull()
    expect(headers.getSetCookie()).toEqual([])
  })

  it('is in the audit log, with where it would have gone', async () => {
    const gateway = createGateway()
    await askStranger(BAD_SCOPE, EVIL, gateway)
    const lines = gateway.log().split('\n')
    const denied = lines.filter(line => line.includes('"denied"')).map(line => JSON.parse(line))
    expect(denied).toEqual([
      expect.objectContaining({
        ...{ event: 'authorization', reason: 'scope is malformed', redirectHost: 'evil.example' },
        ...{ clientName: 'Test client', clientId: expect.stringMatching(/^c_/) },
      }),
    ])
  })

  it('is never a redirect, whatever is in it', async () => {
    const gateway = createGateway()
    const client = await register(gateway, { redirect_uris: [EVIL] })
    const right = authorizationRequest(client, { redirect_uri: EVIL, scope: '', prompt: '' })
    const names = Object.keys(right)
    const value = fc.oneof(fc.string(), fc.webUrl(), fc.constantFrom('none', '"><script>', "'"))
    const pairs = fc.array(fc.tuple(fc.constantFrom(...names, 'resource'), value))
    await fc.assert(
      fc.asyncProperty(pairs, async changes => {
        const kept = Object.entries(right).filter(([name]) => !changes.some(([it]) => it === name))
        const response = await gateway.request(`/authorize?${encodePairs([...kept, ...changes])}`)
        expect([200, 400]).toContain(response.status)
        expect(response.headers.get('location')).toBeNull()
        expect(await response.text()).not.toContain('<script')
      }),
      { numRuns: 100 },
    )
  })

  it('that is right is asked about as ever', async () => {
    await expectConsent(await askStranger({}))
  })

  it('is the page of an outage, without a link, where the store is away', async () => {
    const outage = () => new OutageError('store', 'away')
    const gateway = createGateway({
      store: memory => failing(memory, 'authorizations', 'park', () => true, outage),
    })
    const response = await askStranger({}, EVIL, gateway)
    const html = await response.clone().text()
    await expectPage(response, 'This cannot be done right now', 503)
    expect(html).not.toContain('evil.example')
  })
})

describe('who publishes a document is a stranger too', () => {
  const redirectUris = ['https://app.example.com/callback', 'http://localhost/callback']

  async function openWithBadScope(sections: Record<string, unknown>, redirectUri: string) {
    const fixture = await startFixture(sections)
    const clientId = fixture.documents.url('/client.json')
    const body = { client_id: clientId, client_name: 'App', redirect_uris: redirectUris }
    fixture.documents.publish('/client.json', { body })
    const request = { client_id: clientId, redirect_uri: redirectUri, ...BAD_SCOPE }
    const { page } = await fixture.authorize(request)
    return page
  }

  it.each([
    ['and ends on a page', {}, redirectUris[0], 400],
    ['whatever other host is named', { redirectHosts: ['claude.ai'] }, redirectUris[0], 400],
    ['unless its host is named', { redirectHosts: ['*.example.com'] }, redirectUris[0], 303],
    [
      'and its host may be named while nobody may register',
      { enabled: false, redirectHosts: ['app.example.com'] },
      redirectUris[0],
      303,
    ],
    ['or is this computer', {}, redirectUris[1], 303],
  ])('%s', async (_rule, registration, redirectUri = '', status) => {
    const page = await openWithBadScope({ registration }, redirectUri)
    if (status === 303) {
      expect(page.isStop).toBe(true)
      expect(page.url.startsWith(`${redirectUri}?error=invalid_scope&`)).toBe(true)
    } else {
      expect(page).toMatchObject({ status, isStop: false })
      expect(page.html).toContain('Return to app.example.com</a>')
    }
  })
})

describe('the redirect of the standard (RFC 6749 section 4.1.2.1) is left', () => {
  it.each(['http://127.0.0.1:33418/callback', 'http://localhost/callback', 'http://[::1]:8/cb'])(
    'to a program on this computer: %s',
    async redirectUri => {
      expectRedirect(await askStranger(BAD_SCOPE, redirectUri), redirectUri)
    },
  )

  it.each([EVIL, APP])('to a client of the configuration: %s', async redirectUri => {
    const clients = [{ id: 'portal', name: 'Portal', redirectUris: [redirectUri] }]
    const change = { redirect_uri: redirectUri, ...BAD_SCOPE }
    expectRedirect(
      await ask(createConfigured({ clients }), { client_id: 'portal' }, change),
      redirectUri,
    )
  })

  it('to a host in redirectHosts, and to no app for that', async () => {
    const uri = 'https://claude.ai/api/mcp/auth_callback'
    const registration = { redirectHosts: ['claude.ai'] }
    expectRedirect(await askStranger(BAD_SCOPE, uri, createConfigured({ registration })), uri)
    const app = await askStranger(
      BAD_SCOPE,
      'x-app://claude.ai/cb',
      createConfigured({ registration }),
    )
    expect((await linkOf(app)).protocol).toBe('x-app:')
  })

  it('to a hosted client once its user has decided, either way', async () => {
    // The IdP of these cannot be reached, which is an error after the approval.
    for (const [button, error] of [
      ['deny', 'access_denied'],
      ['approve', 'temporarily_unavailable'],
    ]) {
      const gateway = createGateway()
      const client = await register(gateway, { redirect_uris: [EVIL] })
      const { browser, page } = await openConsent(gateway, client, { redirect_uri: EVIL })
      const end = button === 'deny' ? browser.submit(page, { button }) : approve(browser, page)
      expect(answerOf(await end)).toMatchObject({ error, state: 'client-state', iss: ISSUER })
    }
  })
})
