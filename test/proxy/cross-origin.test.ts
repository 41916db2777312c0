import { describe, expect, test } from 'vitest'
import { ask, PUBLIC_URL, startBackend, startGateway } from './support.ts'

const APP = 'https://app.example.com'

async function setUp() {
  const backend = await startBackend((_req, res) => {
    res.writeHead(200, {
      'access-control-allow-origin': '*',
      'access-control-allow-credentials': 'true',
      'content-length': '2',
    })
    res.end('{}')
  })
  return { backend, gateway: await startGateway({ instances: [backend.url] }) }
}

describe('MCP streamable HTTP: DNS rebinding', () => {
  test.each([
    'https://evil.example',
    'null',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.example',
    'HTTPS://APP.EXAMPLE.COM',
    '',
  ])('refuses the origin %j with 403, token or not', async origin => {
    const { backend, gateway } = await setUp()
    for (const token of [null, 'good-token']) {
      const reply = await ask(gateway, { headers: { origin }, token })
      expect(reply.status).toBe(403)
      expect(reply.headers['access-control-allow-origin']).toBeUndefined()
    }
    expect(backend.seen).toEqual([])
  })

  test.each([APP, PUBLIC_URL])(
    'lets %s through and keeps the field from the backend',
    async origin => {
      const { backend, gateway } = await setUp()
      const reply = await ask(gateway, { headers: { origin } })
      expect(reply.status).toBe(200)
      expect(backend.field('origin')).toBeUndefined()
    },
  )
})

describe('Fetch standard: CORS', () => {
  test('a preflight needs no token', async () => {
    const { backend, gateway } = await setUp()
    const reply = await ask(gateway, {
      ...{ method: 'OPTIONS', token: null },
      headers: {
        origin: APP,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, mcp-param-region, x-evil',
      },
    })
    expect(reply.status).toBe(204)
    expect(reply.headers['access-control-allow-origin']).toBe(APP)
    const allowed = String(reply.headers['access-control-allow-headers']).split(', ')
    expect(allowed).toEqual(
      expect.arrayContaining([
        ...['authorization', 'content-type', 'mcp-protocol-version', 'mcp-method', 'mcp-name'],
        ...['mcp-session-id', 'last-event-id', 'mcp-param-region'],
      ]),
    )
    expect(allowed).not.toContain('x-evil')
    expect(String(reply.headers['access-control-allow-methods'])).toContain('DELETE')
    expect(backend.seen).toEqual([])
  })

  test('an answer carries our fields instead of the backend’s', async () => {
    const { gateway } = await setUp()
    const reply = await ask(gateway, { headers: { origin: APP } })
    expect(reply.headers['access-control-allow-origin']).toBe(APP)
    expect(reply.headers['access-control-allow-credentials']).toBeUndefined()
    expect(reply.headers['access-control-expose-headers']).toBe('WWW-Authenticate, Mcp-Session-Id')
    expect(reply.headers.vary).toBe('Origin')
  })

  test('a challenge can be read by the page', async () => {
    const { gateway } = await setUp()
    const reply = await ask(gateway, { headers: { origin: APP }, token: null })
    expect(reply.status).toBe(401)
    expect(reply.headers['access-control-allow-origin']).toBe(APP)
    expect(reply.headers['access-control-expose-headers']).toContain('WWW-Authenticate')
  })

  test('without an Origin there is none of it', async () => {
    const { gateway } = await setUp()
    const { headers } = await ask(gateway)
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([])
  })
})
