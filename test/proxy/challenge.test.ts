import { describe, expect, test } from 'vitest'
import {
  ask,
  EXPIRED_TOKEN,
  GOOD_TOKEN,
  OTHER_RESOURCE_TOKEN,
  PUBLIC_URL,
  RawClient,
  startBackend,
  startGateway,
} from './support.ts'

const METADATA = `resource_metadata="${PUBLIC_URL}/.well-known/oauth-protected-resource/crm/mcp"`

async function setUp() {
  const backend = await startBackend()
  return { backend, gateway: await startGateway({ instances: [backend.url] }) }
}

describe('MCP authorization: who brings no valid token', () => {
  test.each(['POST', 'GET', 'DELETE', 'PUT', 'OPTIONS'])(
    'gets a bearer challenge on %s before anything else is looked at',
    async method => {
      const { backend, gateway } = await setUp()
      const headers = { 'mcp-protocol-version': '1999-01-01', 'mcp-session-id': 'none' }
      const reply = await ask(gateway, { method, headers, token: null, body: 'not json' })
      expect(reply.status).toBe(401)
      expect(reply.headers['www-authenticate']).toBe(
        `Bearer ${METADATA}, scope="mcp.access crm.read"`,
      )
      expect(JSON.parse(reply.body)).toMatchObject({
        jsonrpc: '2.0',
        id: null,
        error: { code: -32003 },
      })
      expect(backend.seen).toEqual([])
    },
  )

  test.each([
    ['for another resource', OTHER_RESOURCE_TOKEN],
    ['that has expired', EXPIRED_TOKEN],
    ['that was forged', 'eyJhbGciOiJub25lIn0.e30.'],
    ['that is a refresh token', 'rt_grant-1.secret'],
    ['with blanks inside', 'a b'],
    ['that is no base64 at all', '%%%'],
  ])('gets invalid_token for a token %s', async (_kind, token) => {
    const { backend, gateway } = await setUp()
    const reply = await ask(gateway, { token })
    expect(reply.status).toBe(401)
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", /)
    expect(reply.headers['www-authenticate']).toContain(METADATA)
    expect(backend.seen).toEqual([])
  })

  test.each(['bearer', 'BEARER', 'BeArEr'])(
    'passes with the scheme written as %s',
    async scheme => {
      const { gateway } = await setUp()
      const headers = { authorization: `${scheme} ${GOOD_TOKEN}` }
      expect((await ask(gateway, { headers, token: null })).status).toBe(200)
    },
  )

  test('is refused with two Authorization fields, both good', async () => {
    const { backend, gateway } = await setUp()
    const field = ['Authorization', `Bearer ${GOOD_TOKEN}`]
    const reply = await ask(gateway, { headers: [...field, ...field], token: null })
    expect(reply.status).toBe(400)
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer error="invalid_request"/)
    expect(backend.seen).toEqual([])
  })

  test.each([null, GOOD_TOKEN])('is refused with a token in the query (field: %s)', async token => {
    const { backend, gateway } = await setUp()
    for (const name of ['access_token', 'access%5ftoken']) {
      const reply = await ask(gateway, { path: `/crm/mcp?a=1&${name}=${GOOD_TOKEN}`, token })
      expect(reply.status).toBe(400)
    }
    expect(backend.seen).toEqual([])
  })

  test('leaves one line in the log, without the token', async () => {
    const { gateway } = await setUp()
    const reply = await ask(gateway, { token: 'very-secret-token' })
    expect(gateway.log).toHaveLength(1)
    expect(gateway.log[0]).toMatchObject({ level: 'info', backend: 'crm', status: 401 })
    expect(gateway.log[0]?.correlationId).toBe(JSON.parse(reply.body).error.data.correlationId)
    expect(JSON.stringify(gateway.log)).not.toContain('very-secret-token')
  })

  test('may use the same connection for its next request', async () => {
    const { gateway } = await setUp()
    const client = new RawClient(gateway.port)
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', 'Content-Length: 2']
    client.send(...head, '', '{}')
    await client.until('-32003')
    client.send(...head, `Authorization: Bearer ${GOOD_TOKEN}`, '', '{}')
    await client.until('HTTP/1.1 200 OK')
  })
})

describe('DESIGN section 8: the upstream token', () => {
  test('that is gone is answered with 401 invalid_token', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: {
        peek: () => undefined,
        resolve: async () => ({ outcome: 'gone', reason: 'revoked' }),
      },
    })
    const reply = await ask(gateway)
    expect(reply.status).toBe(401)
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token"/)
    expect(backend.seen).toEqual([])
  })

  test('that cannot be had now is answered with 503 and Retry-After, and no challenge', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: {
        peek: () => undefined,
        resolve: async () => ({ outcome: 'unavailable', reason: 'down', retryAfterSeconds: 2.4 }),
      },
    })
    const reply = await ask(gateway)
    expect(reply.status).toBe(503)
    expect(reply.headers['retry-after']).toBe('3')
    expect(reply.headers['www-authenticate']).toBeUndefined()
    expect(backend.seen).toEqual([])
  })

  test('whose source breaks is answered with 500 and a correlation id, and logged once with the cause', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: {
        peek: () => {
          throw new Error('the inner reason')
        },
      },
    })
    const reply = await ask(gateway)
    expect(reply.status).toBe(500)
    expect(reply.body).not.toContain('inner reason')
    const { correlationId } = JSON.parse(reply.body).error.data
    expect(gateway.log).toEqual([
      expect.objectContaining({
        ...{ level: 'error', correlationId, failure: 'unexpected' },
        err: expect.objectContaining({ message: 'the inner reason' }),
      }),
    ])
  })
})
