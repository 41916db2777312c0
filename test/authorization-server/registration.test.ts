import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { postRegistration, REDIRECT_URI, register } from './sign-in.ts'
import { createGateway } from './support.ts'

const gateway = () => createGateway()

/** Bodies as these clients send them. */
const REAL_CLIENTS: readonly (readonly [string, Record<string, unknown>])[] = [
  [
    'Cursor',
    {
      client_name: 'Cursor',
      redirect_uris: [
        'cursor://anysphere.cursor-mcp/oauth/callback',
        'https://www.cursor.com/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
  ],
  [
    'VS Code',
    {
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
      ],
      response_types: ['code'],
      redirect_uris: [
        'https://insiders.vscode.dev/redirect',
        'https://vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://127.0.0.1:33418/',
      ],
      scope: 'crm.read',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
  ],
  [
    'Claude Code',
    {
      client_name: 'Claude Code (crm)',
      redirect_uris: ['http://localhost/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
  ],
  [
    'ChatGPT',
    {
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  [
    'MCP Inspector',
    {
      client_name: 'MCP Inspector',
      client_uri: 'https://github.com/modelcontextprotocol/inspector',
      redirect_uris: ['http://localhost:6274/oauth/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope: '',
    },
  ],
]

describe('dynamic client registration (RFC 7591 section 3)', () => {
  it.each(REAL_CLIENTS)('registers %s as it comes', async (_name, body) => {
    const response = await postRegistration(gateway(), body)
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { client_name, redirect_uris, token_endpoint_auth_method } = body
    expect(await response.json()).toMatchObject({
      client_name,
      redirect_uris,
      token_endpoint_auth_method,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    })
  })

  it('echoes what was accepted, and when it was', async () => {
    const server = gateway()
    const answer = await register(server, {
      application_type: 'native',
      scope: 'crm.read',
      client_uri: 'https://client.example/',
    })
    expect(answer).toMatchObject({
      client_id_issued_at: server.clock.now(),
      client_name: 'Test client',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      scope: 'crm.read',
      client_uri: 'https://client.example/',
    })
    expect(answer).not.toHaveProperty('client_secret')
    expect(answer).not.toHaveProperty('client_secret_expires_at')
  })

  it.each(['client_secret_basic', 'client_secret_post'])(
    'gives a client of %s a secret that does not end',
    async method => {
      const answer = await register(gateway(), { token_endpoint_auth_method: method })
      expect(answer.token_endpoint_auth_method).toBe(method)
      expect(answer.client_secret_expires_at).toBe(0)
      expect(answer.client_secret).toMatch(/^[A-Za-z0-9\-_.~]{43,}$/)
    },
  )

  it('takes a client that names no method for one of client_secret_basic (section 2)', async () => {
    const answer = await register(gateway(), { token_endpoint_auth_method: undefined })
    expect(answer.token_endpoint_auth_method).toBe('client_secret_basic')
    expect(answer.client_secret).toBeDefined()
  })

  it.each(['private_key_jwt', 'tls_client_auth', 'client_secret_jwt', ''])(
    'refuses the method %j',
    async method => {
      const response = await postRegistration(gateway(), {
        redirect_uris: [REDIRECT_URI],
        token_endpoint_auth_method: method,
      })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: 'invalid_client_metadata' })
    },
  )

  it.each([
    [{ grant_types: ['client_credentials'] }],
    [{ response_types: ['token'] }],
    [{ scope: 'a"b' }],
  ])('refuses %j, which it cannot serve', async change => {
    const body = { redirect_uris: [REDIRECT_URI], ...change }
    const response = await postRegistration(gateway(), body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: 'invalid_client_metadata' })
  })

  it('ignores fields that it does not know (section 2)', async () => {
    const answer = await register(gateway(), { logo_uri: 7, jwks: { keys: [] }, made_up: null })
    expect(answer).not.toHaveProperty('made_up')
  })

  it.each([
    ['Claude\u202e\u200b\u0000 Code\n', 'Claude Code'],
    ['x'.repeat(200), 'x'.repeat(100)],
    ['\u200b', 'An app without a name'],
    [undefined, 'An app without a name'],
  ])('cleans the name %j', async (client_name, expected) => {
    expect((await register(gateway(), { client_name })).client_name).toBe(expected)
  })
})

describe('redirect URIs of a registration (RFC 7591 section 3.2.2, RFC 9700 section 2.1)', () => {
  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://a.example/x',
    'search-ms:query=x',
    'ms-appinstaller:?source=x',
    'ftp://a.example/cb',
    'https://a.example/cb#fragment',
    'https://user@a.example/cb',
    'https://*.a.example/cb',
    'http://localhost:1@evil.example/',
  ])('one like %s refuses all, since nobody sends it by mistake (known failure 6)', async uri => {
    const response = await postRegistration(gateway(), {
      redirect_uris: ['https://a.example/cb', uri],
    })
    expect(response.status).toBe(400)
    const { error, error_description } = (await response.json()) as Record<string, string>
    expect(error).toBe('invalid_redirect_uri')
    expect(error_description).toMatch(/^redirect_uris\[1\] /)
    expect(error_description).not.toContain(uri)
  })

  it.each(['http://a.example/cb', '/relative', 'not a uri'])(
    'one like %s is left out beside others',
    async uri => {
      const answer = await register(gateway(), { redirect_uris: [uri, REDIRECT_URI] })
      expect(answer.redirect_uris).toEqual([REDIRECT_URI])
    },
  )

  it.each([[['http://a.example/cb']], [[]], [undefined], [null], [Array(21).fill(REDIRECT_URI)]])(
    '%j leaves none and is refused',
    async redirect_uris => {
      const response = await postRegistration(gateway(), { redirect_uris })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: 'invalid_redirect_uri' })
    },
  )
})

describe('bad registrations', () => {
  it.each([
    ['malformed JSON', '{"redirect_uris": [', 'application/json', 400],
    ['an empty body', '', 'application/json', 400],
    ['an array', '[]', 'application/json', 400],
    ['null', 'null', 'application/json', 400],
    ['a form', 'redirect_uris=https://a.example', 'application/x-www-form-urlencoded', 400],
    ['no content type', '{}', undefined, 400],
    ['70 KiB', JSON.stringify({ client_name: 'x'.repeat(70 * 1024) }), 'application/json', 413],
  ])(
    '%s is answered with an error in the form of the standard',
    async (_what, body, type, status) => {
      const response = await gateway().request('/register', {
        method: 'POST',
        headers: { ...(type !== undefined && { 'content-type': type }) },
        body: new TextEncoder().encode(body),
      })
      expect(response.status).toBe(status)
      const answer = (await response.json()) as Record<string, unknown>
      expect(Object.keys(answer).sort()).toEqual(['error', 'error_description'])
      expect(String(answer.error)).toMatch(/^invalid_/)
    },
  )

  it('whatever is in its fields, a registration is taken or refused, never a fault of ours, and nothing of a refused one comes back', async () => {
    const server = gateway()
    const marker = 'mArKeR'
    const value = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.oneof(fc.webUrl(), fc.string(), fc.constant(`${marker}:x`))),
      fc.string({ unit: 'binary' }),
      fc.constant(marker),
    )
    const body = fc.record(
      {
        redirect_uris: value,
        client_name: value,
        client_uri: value,
        scope: value,
        token_endpoint_auth_method: value,
        grant_types: value,
        response_types: value,
        application_type: value,
        [marker]: value,
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof(body, fc.jsonValue()), async metadata => {
        const response = await postRegistration(server, metadata)
        expect([201, 400]).toContain(response.status)
        if (response.status === 400) expect(await response.text()).not.toContain(marker)
      }),
      { numRuns: 150 },
    )
  })
})
