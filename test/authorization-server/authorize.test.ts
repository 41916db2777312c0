import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeClientId } from '../../src/authorization-server/clients/registered-client.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { OutageError } from '../../src/domain/outage.ts'
import { ask, type Change, expectConsent, expectPage, PAGES } from './authorizing.ts'
import { authorizationRequest, REDIRECT_URI, register } from './sign-in.ts'
import { CRM, createDeadStore, createGateway, encodePairs, failing } from './support.ts'

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

  it('is asked about each time, with a handle of its own (known failure 1)', async () => {
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

  it('a redirect URI that could be registered once and may not be any more, left out: a page', async () => {
    const gateway = createGateway()
    const metadata = {
      clientName: 'Old',
      redirectUris: ['search-ms:x'],
      authMethod: 'none',
    } as const
    const client_id = encodeClientId(gateway.server.ring, metadata, gateway.clock.now())
    const response = await ask(gateway, { client_id }, { redirect_uri: undefined })
    await expectPage(response, PAGES.redirectUri)
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
