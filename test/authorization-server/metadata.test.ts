import { describe, expect, it } from 'vitest'
import { ASSERTION_ALGORITHMS } from '../../src/authorization-server/assertions/assertion-algorithms.ts'
import { createGateway, ISSUER } from './support.ts'

const PATH = '/.well-known/oauth-authorization-server'

const PROGRAM_ENDPOINTS: readonly (readonly [path: string, method: string])[] = [
  ['/token', 'POST'],
  ['/register', 'POST'],
  ['/revoke', 'POST'],
  [PATH, 'GET'],
]
const PAGE_ENDPOINTS: readonly (readonly [path: string, methods: string])[] = [
  ['/authorize', 'GET, POST'],
  ['/consent', 'POST'],
  ['/callback', 'GET'],
  ['/', 'GET'],
]

describe('authorization server metadata (RFC 8414 section 2)', () => {
  it('is exactly what the server can do, at paths that clients fall back to without it', async () => {
    const response = await createGateway({ paths: ['/crm/mcp', '/wiki/mcp'] }).request(PATH)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    const methods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']
    expect(await response.json()).toEqual({
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      registration_endpoint: `${ISSUER}/register`,
      revocation_endpoint: `${ISSUER}/revoke`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      scopes_supported: ['crm.read', 'crm.write'],
    })
  })

  it('has no null, no empty value and no endpoint with a query', async () => {
    const document = await (await createGateway().request(PATH)).json()
    for (const [name, value] of Object.entries(document as object)) {
      expect(value, name).not.toBeNull()
      expect(value, name).not.toBe('')
      if (name.endsWith('_endpoint')) expect(new URL(String(value)).search, name).toBe('')
    }
  })

  it.each([
    ['Host', 'evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Proto', 'http'],
    ['Forwarded', 'host=evil.example;proto=http'],
  ])(
    'takes the issuer from the configuration and never from %s (known failure 9)',
    async (name, value) => {
      const gateway = createGateway()
      const response = await gateway.app.request(`http://evil.example${PATH}`, {
        headers: { [name]: value },
      })
      const text = await response.text()
      expect(JSON.parse(text).issuer).toBe(ISSUER)
      expect(text).not.toContain('evil')
    },
  )
})

describe('paths where nothing is', () => {
  it.each([
    '/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server/crm/mcp',
    '/.well-known/openid-configuration/crm/mcp',
    '/crm/mcp/.well-known/openid-configuration',
    '/.well-known/anything',
    '/.well-known/',
  ])('answers %s with a JSON 404 that a browser client can read', async path => {
    const response = await createGateway().request(path, { headers: { accept: '*/*' } })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(await response.json()).toEqual({
      error: 'not_found',
      error_description: 'there is nothing at this path',
    })
  })

  it('answers a well-known path with JSON even where a page is preferred', async () => {
    const headers = { accept: 'text/html,*/*' }
    const response = await createGateway().request('/.well-known/openid-configuration', { headers })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  })

  it('answers a person elsewhere with a page', async () => {
    const headers = { accept: 'text/html,*/*' }
    const response = await createGateway().request('/no/such/page', { headers })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toMatch(/^text\/html\b/)
  })
})

describe('methods (RFC 9110 section 15.5.6)', () => {
  it.each(PROGRAM_ENDPOINTS)(
    'answers another method at %s with 405, Allow and a JSON error',
    async (path, allowed) => {
      for (const method of ['PUT', 'DELETE', 'PATCH', allowed === 'GET' ? 'POST' : 'GET']) {
        const response = await createGateway().request(path, { method })
        expect(response.status).toBe(405)
        expect(response.headers.get('allow')).toBe(allowed)
        expect(await response.json()).toEqual({
          error: 'invalid_request',
          error_description: 'the method is not allowed',
        })
      }
    },
  )

  it.each(PAGE_ENDPOINTS)(
    'answers another method at %s with 405, Allow and a page',
    async (path, allowed) => {
      const response = await createGateway().request(path, { method: 'DELETE' })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')).toBe(allowed)
      expect(response.headers.get('content-type')).toMatch(/^text\/html\b/)
    },
  )
})

describe('clients in a browser (CORS)', () => {
  const origin = 'https://inspector.example'

  it.each(PROGRAM_ENDPOINTS)(
    '%s answers a preflight and lets any origin read',
    async (path, method) => {
      const gateway = createGateway()
      const preflight = await gateway.request(path, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': method,
          'access-control-request-headers': 'content-type,mcp-protocol-version,authorization',
        },
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
      expect(preflight.headers.get('access-control-allow-methods')).toBe(method)
      expect(preflight.headers.get('access-control-allow-headers')).toBe(
        'content-type,mcp-protocol-version,authorization',
      )
      const response = await gateway.request(path, { method, headers: { origin } })
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
    },
  )

  it.each(PAGE_ENDPOINTS)('%s is for people, so no origin may read it', async path => {
    const response = await createGateway().request(path, { headers: { origin } })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})
