import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ask,
  type Change,
  expectConsent,
  expectPage,
  linkOf,
  PAGES,
  redirectOf,
} from './authorizing.ts'
import { authorizationRequest, REDIRECT_URI, register } from './sign-in.ts'
import { CRM, createGateway, encodeForm, encodePairs, ISSUER, WIKI } from './support.ts'

describe('errors go to a client on this computer from then on, always with state and iss (section 4.1.2.1, RFC 9207)', () => {
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
    const { searchParams } = await linkOf(response)
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
