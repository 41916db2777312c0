import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  basic,
  codeRequest,
  errorOf,
  obtainCode,
  refreshRequest,
  register,
  signIn,
  tokensFor,
  UNKNOWN,
} from './sign-in.ts'
import { createGateway, startIdp } from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterEach(() => idp.clearFaults())
afterAll(() => idp.close())

describe('revocation (RFC 7009 section 2)', () => {
  it.each([
    ['refresh_token', undefined],
    ['access_token', undefined],
    ['refresh_token', 'access_token'],
    ['access_token', 'refresh_token'],
    ['access_token', 'made_up'],
  ] as const)(
    'of the own %s (hint: %s) ends the whole grant, here and at the IdP',
    async (which, token_type_hint) => {
      const gateway = createGateway({ idp })
      const { client_id, ...client } = await register(gateway)
      const tokens = await signIn(gateway, { client_id })
      const { grantId = '' } = (await gateway.server.accessTokens.verify(tokens.access_token)) ?? {}
      const before = idp.counts.revocation
      const form = { client_id, token: tokens[which], token_type_hint }
      const response = await gateway.post('/revoke', form)
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('')
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await gateway.store.grants.find(grantId)).toBeUndefined()
      expect(await gateway.server.tokens.resolve(grantId, 'test')).toMatchObject({
        outcome: 'gone',
      })
      const request = refreshRequest({ client_id, ...client }, tokens.refresh_token)
      expect(await errorOf(await gateway.post('/token', request))).toBe('invalid_grant')
      await waitFor(() => idp.counts.revocation === before + 1, {
        what: 'the revocation of the refresh token at the IdP',
      })
    },
  )

  it('ends one grant and not the others of the same client and user', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const [one, two] = [await signIn(gateway, client), await signIn(gateway, client)]
    await gateway.post('/revoke', { client_id: client.client_id, token: one.refresh_token })
    gateway.clock.advance(101)
    await tokensFor(gateway, refreshRequest(client, two.refresh_token))
  })

  it('twice is answered like once', async () => {
    const gateway = createGateway({ idp })
    const { client_id } = await register(gateway)
    const { refresh_token } = await signIn(gateway, { client_id })
    for (const _time of [1, 2]) {
      expect((await gateway.post('/revoke', { client_id, token: refresh_token })).status).toBe(200)
    }
  })

  it.each(['access_token', 'refresh_token'] as const)(
    "of another client's %s is answered with 200 and leaves it alone (known failure 16)",
    async which => {
      const gateway = createGateway({ idp })
      const owner = await register(gateway)
      const stranger = await register(gateway)
      const tokens = await signIn(gateway, owner)
      const before = idp.counts.revocation
      const form = { client_id: stranger.client_id, token: tokens[which] }
      expect((await gateway.post('/revoke', form)).status).toBe(200)
      await tokensFor(gateway, refreshRequest(owner, tokens.refresh_token))
      expect(idp.counts.revocation).toBe(before)
    },
  )

  it('of what is no token is answered with 200 (section 2.2), a code among it, which goes on working', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client)
    for (const token of [UNKNOWN, 'x', 'a.b.c', `rt_${UNKNOWN}`, code, 'ü', 'x'.repeat(50_000)]) {
      const response = await gateway.post('/revoke', { client_id: client.client_id, token })
      expect(response.status).toBe(200)
    }
    await tokensFor(gateway, codeRequest(client, code))
  })

  it('needs a token', async () => {
    const gateway = createGateway()
    const { client_id } = await register(gateway)
    const response = await gateway.post('/revoke', { client_id })
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toBe('invalid_request')
  })

  it('needs its client to authenticate (section 2.1), or nothing happens', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway, { token_endpoint_auth_method: 'client_secret_basic' })
    const { client_id, client_secret = '' } = client
    const code = await obtainCode(gateway, client)
    const tokens = await tokensFor(gateway, codeRequest(client, code, { client_secret }))
    const token = tokens.refresh_token
    for (const form of [
      { token },
      { token, client_id },
      { token, client_id, client_secret: 'x' },
    ]) {
      const response = await gateway.post('/revoke', form)
      expect(response.status).toBe(401)
      expect(await errorOf(response)).toBe('invalid_client')
    }
    const wrong = { authorization: basic(client_id, 'x') }
    const refused = await gateway.post('/revoke', { token }, wrong)
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /)
    await tokensFor(gateway, refreshRequest(client, token, { client_secret }))
    const right = { authorization: basic(client_id, client_secret) }
    expect((await gateway.post('/revoke', { token }, right)).status).toBe(200)
  })

  it.each([
    ['does not answer', { kind: 'reset' }],
    ['refuses', { kind: 'error', error: 'unsupported_token_type', status: 503 }],
  ] as const)('is done although the IdP %s, and the log says so', async (_what, fault) => {
    const gateway = createGateway({ idp })
    const { client_id } = await register(gateway)
    const { refresh_token, access_token } = await signIn(gateway, { client_id })
    const { grantId = '' } = (await gateway.server.accessTokens.verify(access_token)) ?? {}
    idp.setFault({ endpoint: 'revocation', ...fault })
    expect((await gateway.post('/revoke', { client_id, token: refresh_token })).status).toBe(200)
    expect(await gateway.store.grants.find(grantId)).toBeUndefined()
    await waitFor(() => gateway.log().includes('did not revoke its refresh token'), {
      what: 'the log line',
    })
  })
})
