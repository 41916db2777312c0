import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { OutageError } from '../../src/domain/outage.ts'
import type { OidcProvider } from '../support/oidc-provider.ts'
import {
  codeRequest,
  expectError,
  obtainCode,
  type Registered,
  refreshRequest,
  register,
  signIn,
  tokensFor,
  UNKNOWN,
} from './sign-in.ts'
import {
  createDeadStore,
  createGateway,
  encodeForm,
  encodePairs,
  type Form,
  failing,
  startIdp,
} from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterAll(() => idp.close())

describe('bad token requests (RFC 6749 section 5.2)', () => {
  it.each<[string, (client: Registered) => Form, string]>([
    ['no grant type', ({ client_id }) => ({ client_id }), 'invalid_request'],
    [
      'an unknown grant type',
      ({ client_id }) => ({ client_id, grant_type: 'password' }),
      'unsupported_grant_type',
    ],
    [
      'a grant type of the language',
      ({ client_id }) => ({ client_id, grant_type: '__proto__' }),
      'unsupported_grant_type',
    ],
    [
      'no code',
      ({ client_id }) => ({ client_id, grant_type: 'authorization_code' }),
      'invalid_request',
    ],
    [
      'no refresh token',
      ({ client_id }) => ({ client_id, grant_type: 'refresh_token' }),
      'invalid_request',
    ],
    [
      'a repeated parameter',
      ({ client_id }) => `client_id=${client_id}&code=a&code=b`,
      'invalid_request',
    ],
    [
      'a repeated client',
      ({ client_id }) => `client_id=${client_id}&client_id=${client_id}`,
      'invalid_request',
    ],
    [
      'a repeated resource',
      ({ client_id }) => `client_id=${client_id}&resource=a&resource=b`,
      'invalid_request',
    ],
  ])('%s', async (_what, make, error) => {
    const gateway = createGateway()
    const response = await gateway.post('/token', make(await register(gateway)))
    await expectError(response, 400, error)
  })

  it.each([
    ['JSON', 'application/json', '{"grant_type":"refresh_token"}', 400],
    ['multipart', 'multipart/form-data; boundary=x', '--x--', 400],
    ['no content type', '', 'grant_type=refresh_token', 400],
    ['nothing', 'application/x-www-form-urlencoded', '', 401],
    ['70 KiB', 'application/x-www-form-urlencoded', `code=${'x'.repeat(70 * 1024)}`, 413],
  ])('a body of %s', async (_what, type, body, status) => {
    const response = await createGateway().request('/token', {
      method: 'POST',
      headers: { 'content-type': type },
      body: new TextEncoder().encode(body),
    })
    await expectError(response, status, status === 401 ? 'invalid_client' : 'invalid_request')
  })

  it('takes a form whose content type names a charset, in any case', async () => {
    const gateway = createGateway()
    const { client_id } = await register(gateway)
    const response = await gateway.post(
      '/token',
      { client_id, grant_type: 'x' },
      {
        'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8',
      },
    )
    await expectError(response, 400, 'unsupported_grant_type')
  })

  it('does not read parameters from the query (section 3.2)', async () => {
    const gateway = createGateway()
    const client = await register(gateway)
    const query = encodeForm(refreshRequest(client, UNKNOWN))
    await expectError(await gateway.post(`/token?${query}`, ''), 401, 'invalid_client')
  })
})

describe('outages (DESIGN section 8)', () => {
  it('a store that is away is 503 temporarily_unavailable with Retry-After, never invalid_client or invalid_grant', async () => {
    const dead = await createDeadStore()
    const ring = createKeyRing([randomBytes(32)])
    const gateway = createGateway({ store: () => dead, ring })
    const client = await register(gateway)
    for (const path of ['/token', '/revoke']) {
      const form = { ...refreshRequest(client, UNKNOWN), token: UNKNOWN }
      const response = await gateway.post(path, form)
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
      await expectError(response, 503, 'temporarily_unavailable')
    }
    await dead.close()
  })

  it.each([
    ['clients', 'isDenied'],
    ['grants', 'find'],
    ['grants', 'rotateRefreshToken'],
  ] as const)(
    'that comes at %s.%s of a refresh loses nothing: afterwards the same token works (known failure 42)',
    async (room, operation) => {
      let isDown = false
      const outage = () => new OutageError('store', 'redis at 10.0.0.7 is away')
      const gateway = createGateway({
        idp,
        store: memory => failing(memory, room, operation, () => isDown, outage),
      })
      const client = await register(gateway)
      const { refresh_token } = await signIn(gateway, client)
      isDown = true
      const refused = await gateway.post('/token', refreshRequest(client, refresh_token))
      expect(refused.headers.get('retry-after')).toBe('2')
      expect(await refused.clone().text()).not.toContain('10.0.0.7')
      await expectError(refused, 503, 'temporarily_unavailable')
      isDown = false
      await tokensFor(gateway, refreshRequest(client, refresh_token))
    },
  )

  it('that comes at the second look at the grant gives no tokens, and spends none', async () => {
    let looks = Number.NEGATIVE_INFINITY
    const isDown = () => {
      looks += 1
      return looks === 2
    }
    const outage = () => new OutageError('store', 'away')
    const gateway = createGateway({
      idp,
      store: memory => failing(memory, 'grants', 'find', isDown, outage),
    })
    const client = await register(gateway)
    const { refresh_token } = await signIn(gateway, client)
    looks = 0
    const refused = await gateway.post('/token', refreshRequest(client, refresh_token))
    await expectError(refused, 503, 'temporarily_unavailable')
    const { refresh_token: next } = await tokensFor(gateway, refreshRequest(client, refresh_token))
    // Not the repeated successor of a spent one: this was the first use.
    expect(next).toContain('.1.')
  })

  it('that comes when the grant is activated gives no tokens: the write decides (known failure 39)', async () => {
    const outage = () => new OutageError('store', 'away')
    const gateway = createGateway({
      idp,
      store: memory => failing(memory, 'grants', 'activate', () => true, outage),
    })
    const client = await register(gateway)
    const response = await gateway.post(
      '/token',
      codeRequest(client, await obtainCode(gateway, client)),
    )
    await expectError(response, 503, 'temporarily_unavailable')
  })

  it('a fault of our own is 500 server_error with a correlation id, and nothing of the fault (known failure 24)', async () => {
    const gateway = createGateway({
      store: memory =>
        failing(
          memory,
          'clients',
          'isDenied',
          () => true,
          () => new TypeError('secret detail'),
        ),
    })
    const response = await gateway.post('/token', {
      client_id: (await register(gateway)).client_id,
    })
    expect(response.status).toBe(500)
    const { error, error_description, ...rest } = (await response.json()) as Record<string, string>
    expect([error, rest]).toEqual(['server_error', {}])
    const id = /^something went wrong here \(([\w-]{22})\)$/.exec(error_description ?? '')?.[1]
    expect(gateway.log()).toContain(`"correlationId":"${id}"`)
  })
})

describe('arbitrary forms', () => {
  it.each(['/token', '/revoke', '/consent'])(
    'at %s are refused in fixed words, without an echo and without a fault (known failure 24)',
    async path => {
      const gateway = createGateway()
      const client = await register(gateway)
      const marker = 'mArKeR'
      const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant(marker))
      const names = Object.keys({
        ...codeRequest(client, ''),
        refresh_token: '',
        scope: '',
        token: '',
        resource: '',
        consent: '',
      })
      const pairs = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...names), text), text))
      const grantType = fc.constantFrom('authorization_code', 'refresh_token', marker)
      const body = fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString('latin1')),
        fc
          .tuple(pairs, grantType)
          .map(([found, grant_type]) =>
            encodePairs([['client_id', client.client_id], ['grant_type', grant_type], ...found]),
          ),
      )
      await fc.assert(
        fc.asyncProperty(body, async form => {
          const response = await gateway.post(path, form)
          expect(response.status).toBeLessThan(500)
          const answer = await response.text()
          expect(answer).not.toContain(marker)
          expect(answer).not.toMatch(/\.ts\b|node:|\bat /)
          if (path !== '/consent' && response.status !== 200) {
            expect(Object.keys(JSON.parse(answer)).sort()).toEqual(['error', 'error_description'])
          }
        }),
        { numRuns: 200 },
      )
    },
  )
})
