import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OidcProvider } from '../support/oidc-provider.ts'
import {
  basic,
  codeRequest,
  expectError,
  obtainCode,
  type Registered,
  refreshRequest,
  register,
  tokensFor,
  UNKNOWN,
} from './sign-in.ts'
import { createGateway, type Form, type Gateway, startIdp } from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterAll(() => idp.close())

const secretClient = (gateway: Gateway, token_endpoint_auth_method = 'client_secret_basic') =>
  register(gateway, { token_endpoint_auth_method })

describe('client authentication (RFC 6749 sections 2.3 and 5.2)', () => {
  it.each<[string, (client: Registered) => [Form, Record<string, string>?]]>([
    ['no client at all', () => [{ grant_type: 'refresh_token' }]],
    ['an unknown client', () => [{ client_id: 'c_unknown', grant_type: 'refresh_token' }]],
    ['no secret', ({ client_id }) => [{ client_id }]],
    ['an empty secret', ({ client_id }) => [{ client_id, client_secret: '' }]],
    ['a wrong secret', ({ client_id }) => [{ client_id, client_secret: UNKNOWN }]],
  ])('%s in the form: 401 invalid_client, without WWW-Authenticate', async (_what, make) => {
    const gateway = createGateway()
    const [form, headers] = make(await secretClient(gateway))
    const response = await gateway.post('/token', form, headers)
    expect(response.headers.get('www-authenticate')).toBeNull()
    await expectError(response, 401, 'invalid_client')
  })

  it.each<[string, (client: Registered) => string]>([
    ['an unknown client', () => basic('c_unknown', 'x')],
    ['an empty secret', ({ client_id }) => basic(client_id, '')],
    ['a wrong secret', ({ client_id }) => basic(client_id, UNKNOWN)],
    ['a secret with more behind it', client => basic(client.client_id, `${client.client_secret}x`)],
    ['no colon', ({ client_id }) => `Basic ${Buffer.from(client_id).toString('base64')}`],
    ['no base64', () => 'Basic %%%'],
    ['nothing', () => 'Basic'],
    ['another scheme', () => 'Bearer some-token'],
  ])(
    '%s in the Authorization header: 401 invalid_client, and WWW-Authenticate names Basic',
    async (_what, make) => {
      const gateway = createGateway()
      const authorization = make(await secretClient(gateway))
      const response = await gateway.post('/token', 'grant_type=refresh_token', { authorization })
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="/)
      await expectError(response, 401, 'invalid_client')
    },
  )

  it('a client that has been denied is unknown', async () => {
    const gateway = createGateway()
    const { client_id } = await register(gateway)
    await gateway.store.clients.deny(client_id)
    await expectError(await gateway.post('/token', { client_id }), 401, 'invalid_client')
  })

  it.each<[string, string, (client: Registered, secret: string) => [Form, string?]]>([
    [
      'Basic, raw',
      'client_secret_basic',
      ({ client_id }, secret) => [{}, basic(client_id, secret)],
    ],
    [
      'Basic, urlencoded',
      'client_secret_basic',
      ({ client_id }, secret) => [{}, basic(client_id, secret, encodeURIComponent)],
    ],
    [
      'Basic with every character encoded',
      'client_secret_basic',
      ({ client_id }, secret) => [{}, basic(client_id, secret, encodeAll)],
    ],
    [
      'Basic and the same client_id in the form',
      'client_secret_basic',
      ({ client_id }, secret) => [{ client_id }, basic(client_id, secret)],
    ],
    [
      'basic in lower case',
      'client_secret_basic',
      ({ client_id }, secret) => [{}, basic(client_id, secret).replace('Basic', 'basic')],
    ],
    [
      'the form',
      'client_secret_post',
      ({ client_id }, client_secret) => [{ client_id, client_secret }],
    ],
    [
      'the form, though it registered for Basic',
      'client_secret_basic',
      ({ client_id }, client_secret) => [{ client_id, client_secret }],
    ],
    [
      'Basic, though it registered for the form',
      'client_secret_post',
      ({ client_id }, secret) => [{}, basic(client_id, secret)],
    ],
  ])('takes a secret by %s', async (_way, method, make) => {
    const gateway = createGateway()
    const client = await secretClient(gateway, method)
    const [form, authorization] = make(client, client.client_secret ?? '')
    const headers = authorization === undefined ? {} : { authorization }
    const grant = { grant_type: 'refresh_token', refresh_token: UNKNOWN }
    const response = await gateway.post('/token', { ...grant, ...(form as object) }, headers)
    await expectError(response, 400, 'invalid_grant')
  })

  it.each<[string, (client: Registered) => [Form, string?]]>([
    ['its id in the form', ({ client_id }) => [{ client_id }]],
    [
      'an empty secret in the form, as C# does',
      ({ client_id }) => [{ client_id, client_secret: '' }],
    ],
    ['Basic with an empty secret, as Go does', ({ client_id }) => [{}, basic(client_id, '')]],
  ])('takes a public client by %s', async (_way, make) => {
    const gateway = createGateway()
    const [form, authorization] = make(await register(gateway))
    const headers = authorization === undefined ? {} : { authorization }
    const grant = { grant_type: 'refresh_token', refresh_token: UNKNOWN }
    const response = await gateway.post('/token', { ...grant, ...(form as object) }, headers)
    await expectError(response, 400, 'invalid_grant')
  })

  it('refuses a public client that shows a secret', async () => {
    const gateway = createGateway()
    const { client_id } = await register(gateway)
    const response = await gateway.post('/token', { client_id, client_secret: 'made up' })
    await expectError(response, 401, 'invalid_client')
  })

  it.each<[string, (client: Registered) => Form]>([
    ['another client_id in the form', () => ({ client_id: 'another' })],
    ['a secret in the form too', ({ client_secret }) => ({ client_secret })],
  ])('refuses two ways at once: Basic and %s', async (_way, make) => {
    const gateway = createGateway()
    const client = await secretClient(gateway)
    const authorization = basic(client.client_id, client.client_secret ?? '')
    // Nothing else is wrong with the request.
    const grant = { grant_type: 'refresh_token', refresh_token: UNKNOWN }
    const form = { ...grant, ...(make(client) as object) }
    const response = await gateway.post('/token', form, { authorization })
    await expectError(response, 400, 'invalid_request')
  })

  it('a failed one burns no code, so Go can come again with the same (PROTOCOL: Go sends Basic first)', async () => {
    const gateway = createGateway({ idp })
    const client = await secretClient(gateway, 'client_secret_post')
    const code = await obtainCode(gateway, client)
    const form = codeRequest(client, code, { client_id: undefined })
    const authorization = basic(client.client_id, '')
    await expectError(await gateway.post('/token', form, { authorization }), 401, 'invalid_client')
    const { client_secret } = client
    const wrong = codeRequest(client, code, { client_secret: UNKNOWN })
    await expectError(await gateway.post('/token', wrong), 401, 'invalid_client')
    await tokensFor(gateway, codeRequest(client, code, { client_secret }))
  })

  it('a failed one spends no refresh token, and does not end its grant', async () => {
    const gateway = createGateway({ idp })
    const client = await secretClient(gateway)
    const { client_secret } = client
    const code = await obtainCode(gateway, client)
    const { refresh_token } = await tokensFor(gateway, codeRequest(client, code, { client_secret }))
    const wrong = refreshRequest(client, refresh_token, { client_secret: UNKNOWN })
    await expectError(await gateway.post('/token', wrong), 401, 'invalid_client')
    const right = await tokensFor(gateway, refreshRequest(client, refresh_token, { client_secret }))
    // Not the repeated successor of a spent one: this was the first use.
    expect(right.refresh_token).toContain('.1.')
  })

  it('a secret is that of one client only', async () => {
    const gateway = createGateway()
    const [{ client_id }, { client_secret }] = [
      await secretClient(gateway),
      await secretClient(gateway),
    ]
    const response = await gateway.post('/token', { client_id, client_secret })
    await expectError(response, 401, 'invalid_client')
  })
})

function encodeAll(text: string): string {
  return text.replace(/./g, character => `%${character.charCodeAt(0).toString(16)}`)
}
