import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { OutageError } from '../../src/domain/outage.ts'
import { authorizationRequest, REDIRECT_URI, type Registered, register } from './sign-in.ts'
import {
  CRM,
  createDeadStore,
  createGateway,
  encodeForm,
  encodePairs,
  failing,
  type Gateway,
  ISSUER,
  WIKI,
} from './support.ts'

const PAGES = {
  request: 'This request cannot be understood',
  client: 'This app is not registered here',
  redirectUri: 'The app asked for an answer at an unknown address',
}

type Change = Record<string, string | undefined>

function ask(gateway: Gateway, client: Pick<Registered, 'client_id'>, change: Change = {}) {
  return gateway.request(`/authorize?${encodeForm(authorizationRequest(client, change))}`)
}

/** What came back to the client, which has to be at its redirect URI. */
function redirectOf(response: Response): Record<string, string> {
  expect(response.status).toBe(303)
  const location = new URL(response.headers.get('location') ?? '')
  expect(location.origin + location.pathname).toBe(REDIRECT_URI)
  return Object.fromEntries(location.searchParams)
}

async function expectPage(response: Response, title: string, status = 400): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('location')).toBeNull()
  expect(response.headers.get('content-type')).toMatch(/^text\/html\b/)
  expect(await response.text()).toContain(title)
}

async function expectConsent(response: Response): Promise<string> {
  const html = await response.text()
  expect(response.status, html).toBe(200)
  expect(html).toContain('name="consent"')
  return html
}

describe('the authorization request (RFC 6749 section 4.1.1)', () => {
  it('is answered with the consent page, which names client, resource, scopes and destination', async () => {
    const gateway = createGateway()
    const html = await expectConsent(await ask(gateway, await register(gateway)))
    for (const text of ['Test client', CRM, 'crm.read', 'crm.write', '127.0.0.1:33418'])
      expect(html).toContain(text)
  })

  it('may come as a form (section 3.1)', async () => {
    const gateway = createGateway()
    const form = authorizationRequest(await register(gateway))
    await expectConsent(await gateway.post('/authorize', form))
  })

  it('is asked about each time, whatever was approved before (known failures 1 and 3)', async () => {
    const gateway = createGateway()
    const client = await register(gateway)
    const handles = new Set<string | undefined>()
    for (const _time of [1, 2, 3]) {
      const html = await expectConsent(await ask(gateway, client))
      handles.add(/name="consent" value="([\w-]{43})"/.exec(html)?.[1])
    }
    expect(handles.size).toBe(3)
    expect(handles).not.toContain(undefined)
  })

  it('is shown under headers that forbid scripts, frames and storing, and no form-action', async () => {
    const gateway = createGateway()
    const { headers } = await ask(gateway, await register(gateway))
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('script-src')
    expect(policy).not.toContain('form-action')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('referrer-policy')).toBe('same-origin')
  })
})

describe('errors go to a page until client and redirect URI are verified (section 4.1.2.1)', () => {
  it.each<[string, Change, string]>([
    ['no client', { client_id: undefined }, PAGES.client],
    ['an empty client', { client_id: '' }, PAGES.client],
    ['an unknown client', { client_id: 'c_unknown' }, PAGES.client],
    ['another redirect URI', { redirect_uri: 'https://evil.example/cb' }, PAGES.redirectUri],
    ['another path', { redirect_uri: 'http://127.0.0.1:33418/other' }, PAGES.redirectUri],
    ['another host', { redirect_uri: 'http://localhost:33418/callback' }, PAGES.redirectUri],
    [
      'a port that is user info',
      { redirect_uri: 'http://127.0.0.1:1@evil.example/callback' },
      PAGES.redirectUri,
    ],
    [
      'a longer host',
      { redirect_uri: 'http://127.0.0.1.evil.example/callback' },
      PAGES.redirectUri,
    ],
    ['a further query', { redirect_uri: `${REDIRECT_URI}?x=1` }, PAGES.redirectUri],
    ['a fragment', { redirect_uri: `${REDIRECT_URI}#x` }, PAGES.redirectUri],
    ['a script', { redirect_uri: 'javascript:alert(1)' }, PAGES.redirectUri],
    ['no URI', { redirect_uri: 'callback' }, PAGES.redirectUri],
  ])('%s: a page, and no redirect (known failures 5 and 6)', async (_what, change, title) => {
    const gateway = createGateway()
    await expectPage(await ask(gateway, await register(gateway), change), title)
  })

  it.each(['client_id', 'redirect_uri'])('%s twice: a page', async name => {
    const gateway = createGateway()
    const request = authorizationRequest(await register(gateway))
    const query = encodePairs([...Object.entries(request), [name, request[name]]])
    await expectPage(await gateway.request(`/authorize?${query}`), PAGES.request)
  })

  it('a client that has been denied: a page', async () => {
    const gateway = createGateway()
    const client = await register(gateway)
    await gateway.store.clients.deny(client.client_id)
    await expectPage(await ask(gateway, client), PAGES.client)
  })

  it('a client of another gateway: a page', async () => {
    const client = await register(createGateway())
    const gateway = createGateway({ ring: createKeyRing([randomBytes(32)]) })
    await expectPage(await ask(gateway, client), PAGES.client)
  })

  it.each([
    ['JSON', 'application/json', '{}', 400],
    ['70 KiB', 'application/x-www-form-urlencoded', `state=${'x'.repeat(70 * 1024)}`, 413],
  ])('a body of %s: a page', async (_what, type, body, status) => {
    const headers = { 'content-type': type }
    const response = await createGateway().request('/authorize', { method: 'POST', headers, body })
    await expectPage(response, PAGES.request, status)
  })
})

describe('errors go to the client from then on, always with state and iss (section 4.1.2.1, RFC 9207)', () => {
  const NO_PKCE = { code_challenge: undefined, code_challenge_method: undefined }
  it.each<[string, Change, string]>([
    ['no response type', { response_type: undefined }, 'invalid_request'],
    ['response type token', { response_type: 'token' }, 'unsupported_response_type'],
    [
      'response type code id_token',
      { response_type: 'code id_token' },
      'unsupported_response_type',
    ],
    ['response mode fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['no PKCE', NO_PKCE, 'invalid_request'],
    [
      'PKCE without a method, which means plain',
      { code_challenge_method: undefined },
      'invalid_request',
    ],
    ['plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a method in lower case', { code_challenge_method: 's256' }, 'invalid_request'],
    ['a short code challenge', { code_challenge: 'short' }, 'invalid_request'],
    ['a padded code challenge', { code_challenge: `${'x'.repeat(42)}=` }, 'invalid_request'],
    ['a foreign resource', { resource: 'https://other.example/mcp' }, 'invalid_target'],
    ['a resource that is only a prefix', { resource: `${ISSUER}/crm` }, 'invalid_target'],
    ['a resource that is longer', { resource: `${CRM}/x` }, 'invalid_target'],
    ['a resource with a fragment', { resource: `${CRM}#x` }, 'invalid_target'],
    ['a resource that is no URI', { resource: 'crm' }, 'invalid_target'],
    ['a malformed scope', { scope: 'crm.read "x"' }, 'invalid_scope'],
    ['prompt=none', { prompt: 'none' }, 'consent_required'],
    ['prompt=none beside another', { prompt: 'login none' }, 'consent_required'],
    ['a state beyond 4 KiB', { state: 's'.repeat(4097) }, 'invalid_request'],
  ])('%s', async (_what, change, error) => {
    const gateway = createGateway()
    const response = await ask(gateway, await register(gateway), change)
    const { error_description, ...answer } = redirectOf(response)
    expect(answer).toEqual({ error, state: change.state ?? 'client-state', iss: ISSUER })
    expect(error_description).toMatch(/^[\x20-\x7e]+$/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
  })

  it.each(['scope', 'resource', 'code_challenge', 'response_type', 'prompt', 'made_up'])(
    '%s twice',
    async name => {
      const gateway = createGateway()
      const request: Change = { scope: 'crm.read', resource: CRM, prompt: 'login', made_up: '1' }
      const pairs = Object.entries(authorizationRequest(await register(gateway), request))
      const query = encodePairs([...pairs, [name, 'again']])
      const answer = redirectOf(await gateway.request(`/authorize?${query}`))
      expect(answer).toMatchObject({ error: 'invalid_request', state: 'client-state', iss: ISSUER })
    },
  )

  it('state twice: neither is returned', async () => {
    const gateway = createGateway()
    const pairs = Object.entries(authorizationRequest(await register(gateway)))
    const query = encodePairs([...pairs, ['state', 'other']])
    const answer = redirectOf(await gateway.request(`/authorize?${query}`))
    expect(Object.keys(answer).sort()).toEqual(['error', 'error_description', 'iss'])
  })

  it('sends no state where none came', async () => {
    const gateway = createGateway()
    const change = { state: undefined, response_type: 'token' }
    expect(redirectOf(await ask(gateway, await register(gateway), change))).not.toHaveProperty(
      'state',
    )
  })

  it('returns a state of up to 4 KiB of any printable characters as it came', async () => {
    const gateway = createGateway()
    const client = await register(gateway)
    const printable = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map(code => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 4096,
      size: 'max',
    })
    await fc.assert(
      fc.asyncProperty(printable, async state => {
        const response = await ask(gateway, client, { state, response_type: 'token' })
        expect(redirectOf(response).state).toBe(state)
      }),
      { numRuns: 50, examples: [['&=+%#? /\\"<>'], ['~'.repeat(4096)]] },
    )
  })

  it.each([
    ['Host', 'evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
  ])(
    'names the issuer of the configuration, whatever %s says (known failure 9)',
    async (name, value) => {
      const gateway = createGateway()
      const query = encodeForm(
        authorizationRequest(await register(gateway), { response_type: 'x' }),
      )
      const response = await gateway.app.request(`http://evil.example/authorize?${query}`, {
        headers: { [name]: value },
      })
      expect(redirectOf(response).iss).toBe(ISSUER)
    },
  )

  it('keeps the query of a redirect URI, and nobody can put an answer into it beforehand', async () => {
    const gateway = createGateway()
    const redirect_uri =
      'https://app.example/cb?tool=a%20b&code=injected&state=injected&iss=injected'
    const client = await register(gateway, { redirect_uris: [redirect_uri] })
    const response = await ask(gateway, client, { redirect_uri, response_type: 'token' })
    const { searchParams } = new URL(response.headers.get('location') ?? '')
    expect(searchParams.getAll('tool')).toEqual(['a b'])
    expect(searchParams.getAll('state')).toEqual(['client-state'])
    expect(searchParams.getAll('iss')).toEqual([ISSUER])
    expect(searchParams.getAll('code')).toEqual([])
  })
})

describe('redirect URIs of native apps (RFC 8252 section 7)', () => {
  it.each([
    ['http://localhost/callback', 'http://localhost:53124/callback'],
    ['http://127.0.0.1:33418/', 'http://127.0.0.1:41000/'],
    ['http://[::1]/callback', 'http://[::1]:5000/callback'],
  ])('registered as %s, may come as %s', async (registered, redirect_uri) => {
    const gateway = createGateway()
    const client = await register(gateway, { redirect_uris: [registered] })
    await expectConsent(await ask(gateway, client, { redirect_uri }))
  })

  it.each([
    'cursor://anysphere.cursor-mcp/oauth/callback2',
    'cursor://other/oauth/callback',
    'CURSOR2://anysphere.cursor-mcp/oauth/callback',
  ])('of private-use schemes are exact: not %s', async redirect_uri => {
    const gateway = createGateway()
    const redirect_uris = ['cursor://anysphere.cursor-mcp/oauth/callback']
    const client = await register(gateway, { redirect_uris })
    await expectPage(await ask(gateway, client, { redirect_uri }), PAGES.redirectUri)
  })

  it('may be left out where there is one, and not where there are several', async () => {
    const gateway = createGateway()
    const change = { redirect_uri: undefined }
    await expectConsent(await ask(gateway, await register(gateway), change))
    const redirect_uris = [REDIRECT_URI, 'https://app.example/cb']
    const client = await register(gateway, { redirect_uris })
    await expectPage(await ask(gateway, client, change), PAGES.redirectUri)
  })
})

describe('the resource (RFC 8707 section 2)', () => {
  it.each([CRM, 'HTTPS://MCP.EXAMPLE.COM/crm/mcp', `${ISSUER}:443/crm/mcp`, `${CRM}/`])(
    'is recognised as %s',
    async resource => {
      const gateway = createGateway({ paths: ['/wiki/mcp', '/crm/mcp'] })
      const html = await expectConsent(await ask(gateway, await register(gateway), { resource }))
      expect(html).toContain(`<code>${CRM}</code>`)
    },
  )

  it('is the only one where it is missing, and else an error that names the choices', async () => {
    const one = createGateway()
    expect(await expectConsent(await ask(one, await register(one)))).toContain(CRM)
    const two = createGateway({ paths: ['/crm/mcp', '/wiki/mcp'] })
    const { error, error_description } = redirectOf(await ask(two, await register(two)))
    expect(error).toBe('invalid_target')
    expect(error_description).toContain(`${CRM} ${WIKI}`)
  })
})

describe('the scope (RFC 6749 section 3.3)', () => {
  it.each([
    [
      'is all of the backend where none is asked for',
      undefined,
      undefined,
      ['crm.read', 'crm.write'],
    ],
    ['is what is asked for', 'crm.read', undefined, ['crm.read']],
    [
      'is without what the backend does not know',
      'openid crm.read offline_access',
      undefined,
      ['crm.read'],
    ],
    [
      'is all of the backend where nothing known is asked for',
      'openid offline_access',
      undefined,
      ['crm.read', 'crm.write'],
    ],
    ['is that of the registration where none is asked for', undefined, 'crm.write', ['crm.write']],
    ['of a registration is no cap', 'crm.read', 'crm.write', ['crm.read']],
  ])('%s', async (_rule, scope, registered, expected) => {
    const gateway = createGateway()
    const client = await register(gateway, { scope: registered })
    const html = await expectConsent(await ask(gateway, client, { scope }))
    expect(Array.from(html.matchAll(/<li><code>(.*?)<\/code>/g), ([, name]) => name)).toEqual(
      expected,
    )
  })
})

describe('a store that is away', () => {
  it('is a 503 page with Retry-After, before anything is said about the client', async () => {
    const dead = await createDeadStore()
    const gateway = createGateway({ store: () => dead })
    const response = await ask(gateway, await register(gateway))
    await expectPage(response, 'This cannot be done right now', 503)
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await dead.close()
  })

  it('when the request is parked, is the same page, since coming again may help', async () => {
    const outage = () =>
      new OutageError('store', 'redis at 10.0.0.7 is away', { retryAfterSeconds: 9 })
    const gateway = createGateway({
      store: memory => failing(memory, 'authorizations', 'park', () => true, outage),
    })
    const response = await ask(gateway, await register(gateway))
    expect(response.headers.get('retry-after')).toBe('9')
    await expectPage(response.clone(), 'This cannot be done right now', 503)
    expect(await response.text()).not.toContain('10.0.0.7')
  })

  it('and a fault of our own is a 500 page with the correlation id of its log line, and nothing else (known failure 24)', async () => {
    const gateway = createGateway({
      store: memory =>
        failing(
          memory,
          'authorizations',
          'park',
          () => true,
          () => new Error('secret detail'),
        ),
    })
    const response = await ask(gateway, await register(gateway))
    const html = await response.text()
    expect(response.status).toBe(500)
    expect(html).not.toContain('secret detail')
    const reference = /Reference: <code>([\w-]{22})<\/code>/.exec(html)?.[1]
    expect(gateway.log()).toContain(`"correlationId":"${reference}"`)
    expect(gateway.log()).toContain('secret detail')
  })
})

describe('arbitrary queries', () => {
  it('are never a fault of ours, and never a way out to an unregistered address (known failure 5)', async () => {
    const gateway = createGateway()
    const client = await register(gateway)
    const names = Object.keys(authorizationRequest(client, { scope: '', resource: '', prompt: '' }))
    const pairs = fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom(...names), fc.string()),
        fc.oneof(fc.string(), fc.webUrl()),
      ),
    )
    await fc.assert(
      fc.asyncProperty(pairs, fc.boolean(), async (changes, isKnown) => {
        const base = isKnown ? Object.entries(authorizationRequest(client)) : []
        const kept = base.filter(([name]) => !changes.some(([changed]) => changed === name))
        const response = await gateway.request(`/authorize?${encodePairs([...kept, ...changes])}`)
        expect([200, 303, 400]).toContain(response.status)
        const location = response.headers.get('location')
        if (location !== null) expect(location.startsWith(`${REDIRECT_URI}?`)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })
})
