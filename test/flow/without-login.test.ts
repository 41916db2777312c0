import {
  Client,
  ClientCredentialsProvider,
  CrossAppAccessProvider,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { basic, createSecretPair } from '../authorization-server/client-fixture.ts'
import {
  assertIdentity,
  type EnterpriseIdp,
  openEnterpriseIdp,
} from '../authorization-server/loginless.ts'
import { firstText } from '../support/mcp-clients.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'

const nightly = createSecretPair()
const assistant = createSecretPair()

let idp: EnterpriseIdp & { close(): Promise<void> }
let landscape: Landscape
beforeAll(async () => {
  idp = await openEnterpriseIdp()
  landscape = await startLandscape({
    replicas: 2,
    backend: { credential: { assertion: { audience: 'crm' } } },
    config: {
      clients: [
        {
          id: 'nightly',
          name: 'Nightly batch',
          secretHash: nightly.secretHash,
          clientCredentials: true,
        },
        {
          id: 'assistant',
          name: 'Assistant',
          redirectUris: ['https://assistant.example.com/cb'],
          secretHash: assistant.secretHash,
        },
      ],
      enterprise: { issuers: [{ issuer: idp.issuer }] },
    },
  })
}, 60_000)
afterAll(() => Promise.all([landscape?.close(), idp?.close()]))

/** Each request meets the next replica. */
async function askForToken(form: Record<string, string>, credentials: Record<string, string>) {
  const response = await fetch(`${landscape.front.origin}/token`, {
    method: 'POST',
    headers: credentials,
    body: new URLSearchParams(form),
  })
  const body: Record<string, unknown> = { ...Object(await response.json()) }
  return { status: response.status, body }
}

async function call(token: string): Promise<number> {
  const response = await fetch(mcpUrl(landscape), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  })
  await response.text()
  return response.status
}

/** The v2 SDK with a provider of its own. */
async function callBySdk(authProvider: OAuthClientProvider): Promise<string> {
  const client = new Client(
    { name: 'sdk-client', version: '1.0.0' },
    { versionNegotiation: { mode: 'auto' } },
  )
  const url = new URL(mcpUrl(landscape, 'modern'))
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider }))
  const answer = firstText(await client.callTool({ name: 'whoami' }))
  await client.close()
  return answer
}

/** What the backends were told about callers, in any order. */
function toldToBackends(): Record<string, unknown>[] {
  return Object.values(landscape.backends)
    .flat()
    .flatMap(({ requests }) => requests)
    .flatMap(({ rawHeaders }) => rawHeaders.filter(value => value.startsWith('Bearer ')))
    .map(value => decodeJwt(value.slice('Bearer '.length)))
}

describe('a machine', () => {
  it('calls with a token of one replica by way of another, under its own name', async () => {
    const form = { grant_type: 'client_credentials', resource: mcpUrl(landscape) }
    const { status, body } = await askForToken(form, basic('nightly', nightly.secret))
    expect(status).toBe(200)
    for (let i = 0; i < 2; i++) expect(await call(String(body.access_token))).toBe(200)
    const { origin } = landscape.front
    const told = toldToBackends().filter(({ sub }) => sub === 'nightly')
    expect(told).toHaveLength(2)
    expect(told[0]).toMatchObject({ iss: origin, aud: 'crm', client_id: 'nightly', idp: origin })
  })

  it('calls with the SDK’s own code', async () => {
    const provider = new ClientCredentialsProvider({
      clientId: 'nightly',
      clientSecret: nightly.secret,
      expectedIssuer: landscape.front.origin,
    })
    expect(await callBySdk(provider)).toContain('modern-')
  })

  it('calls nothing any more, on any replica, once its token is revoked', async () => {
    const credentials = basic('nightly', nightly.secret)
    const form = { grant_type: 'client_credentials', resource: mcpUrl(landscape) }
    const { body } = await askForToken(form, credentials)
    const token = String(body.access_token)
    for (let i = 0; i < 2; i++) expect(await call(token)).toBe(200)
    await fetch(`${landscape.front.origin}/revoke`, {
      method: 'POST',
      headers: credentials,
      body: new URLSearchParams({ token }),
    })
    await expect.poll(() => call(token)).toBe(401)
    await expect.poll(() => call(token)).toBe(401)
  })
})

describe('a client with an identity assertion', () => {
  it('calls for its user, once for each assertion, whichever replica it meets', async () => {
    const { origin } = landscape.front
    const assertion = await assertIdentity(idp, Math.floor(Date.now() / 1000), {
      aud: origin,
      resource: mcpUrl(landscape),
      scope: undefined,
    })
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
    const credentials = basic('assistant', assistant.secret)
    const { status, body } = await askForToken(form, credentials)
    expect(status).toBe(200)
    for (let i = 0; i < 2; i++) {
      expect(await call(String(body.access_token))).toBe(200)
      expect(await askForToken(form, credentials)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    }
    expect(toldToBackends()).toContainEqual(
      expect.objectContaining({
        sub: 'U019488227',
        idp: idp.issuer,
        email: 'ada@example.com',
        client_id: 'assistant',
      }),
    )
    expect(landscape.logs()).not.toContain(assertion)
  })
  it('calls with the SDK’s own code', async () => {
    const provider = new CrossAppAccessProvider({
      clientId: 'assistant',
      clientSecret: assistant.secret,
      expectedIssuer: landscape.front.origin,
      assertion: ({ authorizationServerUrl, resourceUrl, scope }) =>
        assertIdentity(idp, Math.floor(Date.now() / 1000), {
          sub: 'U2',
          aud: authorizationServerUrl,
          resource: resourceUrl,
          scope,
        }),
    })
    expect(await callBySdk(provider)).toContain('modern-')
    expect(toldToBackends()).toContainEqual(expect.objectContaining({ sub: 'U2' }))
  })
})
