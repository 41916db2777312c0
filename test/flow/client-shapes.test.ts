import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecret } from '../../src/domain/secret.ts'
import { createBrowserAgent, type Page } from '../support/browser-agent.ts'
import { startLegacyBackend } from '../support/legacy-backend.ts'
import type { RecordingBackend } from '../support/recording-backend.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { ping } from './oauth-client.ts'

/** What a client that cannot run here sends, as far as it differs from others. */
type Shape = {
  client: string
  registration: Record<string, unknown>
  /** The one with which it comes; it need not be one that it registered. */
  redirectUri: string
  authorization?: Record<string, string>
  /** Whether it names the resource at all. */
  namesResource: boolean
  /** The token requests that it sends until one is answered with tokens. */
  tokenRequests: readonly ((registered: Registered, form: Record<string, string>) => RequestInit)[]
}

type Registered = { client_id: string; client_secret?: string }
type Tokens = { access_token: string; refresh_token: string }

const inForm: Shape['tokenRequests'][number] = (registered, form) => ({
  body: new URLSearchParams({ ...form, ...registered }),
})
const withEmptySecret: Shape['tokenRequests'][number] = ({ client_id }, form) => ({
  body: new URLSearchParams({ ...form, client_id, client_secret: '' }),
})
const inBasic: Shape['tokenRequests'][number] = ({ client_id, client_secret = '' }, form) => ({
  headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
  body: new URLSearchParams(form),
})
const inBasicWithoutSecret: Shape['tokenRequests'][number] = ({ client_id }, form) =>
  inBasic({ client_id }, form)

const CURSOR = {
  client_name: 'Cursor',
  redirect_uris: [
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'https://www.cursor.com/agents/mcp/oauth/callback',
    'http://localhost:8787/callback',
  ],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}
const VSCODE = {
  client_name: 'Visual Studio Code',
  client_uri: 'https://code.visualstudio.com',
  redirect_uris: [
    'https://insiders.vscode.dev/redirect',
    'https://vscode.dev/redirect',
    'http://127.0.0.1/',
    'http://127.0.0.1:33418/',
  ],
  grant_types: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  application_type: 'native',
}
const COPILOT_STUDIO_URI = 'https://global.consent.azure-apim.net/redirect/crm-5f1e'
const LOOPBACK_URI = 'http://127.0.0.1:41000/callback'
const PUBLIC = { redirect_uris: [LOOPBACK_URI], token_endpoint_auth_method: 'none' }

const SHAPES: readonly Shape[] = [
  ...CURSOR.redirect_uris.map(redirectUri => ({
    client: `Cursor, back at ${new URL(redirectUri).protocol}//${new URL(redirectUri).host}`,
    registration: CURSOR,
    redirectUri,
    namesResource: true,
    tokenRequests: [inForm],
  })),
  ...[
    'https://vscode.dev/redirect',
    'http://127.0.0.1:33418/',
    'http://127.0.0.1/',
    'http://127.0.0.1:54321/',
  ].map(redirectUri => ({
    client: `VS Code, back at ${redirectUri}`,
    registration: VSCODE,
    redirectUri,
    namesResource: true,
    tokenRequests: [inForm],
  })),
  {
    client: 'Copilot Studio, which registers with a secret by default',
    registration: { client_name: 'Copilot Studio', redirect_uris: [COPILOT_STUDIO_URI] },
    redirectUri: COPILOT_STUDIO_URI,
    namesResource: false,
    tokenRequests: [inBasic],
  },
  {
    client: 'Copilot Studio, with its secret in the form',
    registration: {
      redirect_uris: [COPILOT_STUDIO_URI],
      token_endpoint_auth_method: 'client_secret_post',
    },
    redirectUri: COPILOT_STUDIO_URI,
    namesResource: false,
    tokenRequests: [inForm],
  },
  {
    client: 'Go as a public client, which tries Basic with an empty secret first',
    registration: PUBLIC,
    redirectUri: LOOPBACK_URI,
    namesResource: true,
    tokenRequests: [inBasicWithoutSecret, inForm],
  },
  {
    client: 'Go as a confidential client that has lost its secret on the first try',
    registration: {
      redirect_uris: [LOOPBACK_URI],
      token_endpoint_auth_method: 'client_secret_post',
    },
    redirectUri: LOOPBACK_URI,
    namesResource: true,
    tokenRequests: [inBasicWithoutSecret, inForm],
  },
  {
    client: 'C#, which sends an empty secret',
    registration: PUBLIC,
    redirectUri: LOOPBACK_URI,
    namesResource: true,
    tokenRequests: [withEmptySecret],
  },
  {
    client: 'a client of 2025-03-26, which knows neither resource nor iss',
    registration: { client_name: 'An old client', ...PUBLIC },
    redirectUri: LOOPBACK_URI,
    authorization: { scope: '' },
    namesResource: false,
    tokenRequests: [inForm],
  },
  {
    client: 'a client that asks for scopes of its own accord',
    registration: { ...PUBLIC, scope: 'openid profile offline_access' },
    redirectUri: LOOPBACK_URI,
    authorization: { scope: 'openid profile offline_access', prompt: 'consent' },
    namesResource: true,
    tokenRequests: [inForm],
  },
]

let backend: RecordingBackend
let landscape: Landscape
beforeAll(async () => {
  backend = await startLegacyBackend({ instance: 'only' })
  const backends = [{ path: '/legacy/mcp', instances: [backend.url] }]
  landscape = await startLandscape({ config: { backends } })
})
afterAll(async () => {
  await landscape?.close()
  await backend?.close()
})

/** At the paths that clients of 2025-03-26 take for granted. */
const at = (path: string) => landscape.front.origin + path

async function register(metadata: Record<string, unknown>): Promise<Registered> {
  const response = await fetch(at('/register'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
  })
  const answer = await response.json()
  expect(response.status, JSON.stringify(answer)).toBe(201)
  expect(answer).toMatchObject({ redirect_uris: metadata.redirect_uris })
  const { client_id, client_secret } = answer as Registered
  return { client_id, ...(client_secret !== undefined && { client_secret }) }
}

async function authorize(shape: Shape, { client_id }: Registered, verifier: string): Promise<Page> {
  const { redirectUri, authorization, namesResource } = shape
  const parameters = {
    ...{ response_type: 'code', client_id, redirect_uri: redirectUri, state: 'a state' },
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(namesResource && { resource: mcpUrl(landscape) }),
    ...authorization,
  }
  const browser = createBrowserAgent({ stopAt: url => url.href.startsWith(redirectUri) })
  const page = await browser.open(at(`/authorize?${new URLSearchParams(parameters)}`))
  return browser.submit(page, { button: 'approve' })
}

/** Sends the token requests in turn until one brings tokens. */
async function ask(shape: Shape, registered: Registered, form: Record<string, string>) {
  const statuses: number[] = []
  for (const request of shape.tokenRequests) {
    const response = await fetch(at('/token'), { method: 'POST', ...request(registered, form) })
    const answer = (await response.json()) as Tokens
    statuses.push(response.status)
    if (response.status === 200) return answer
  }
  throw new Error(`no tokens: ${statuses.join(', ')}`)
}

describe('the shape of a client that cannot run here', () => {
  it.each(SHAPES)('is understood from registration to refresh: $client', async shape => {
    const registered = await register(shape.registration)
    const verifier = createSecret()
    const page = await authorize(shape, registered, verifier)
    expect(page.isStop, `${page.url} ${page.html}`).toBe(true)
    const answer = new URL(page.url).searchParams
    expect(answer.get('state')).toBe('a state')
    expect(answer.get('iss')).toBe(landscape.front.origin)
    const { redirectUri, namesResource } = shape
    const tokens = await ask(shape, registered, {
      ...{ grant_type: 'authorization_code', code: answer.get('code')!, code_verifier: verifier },
      redirect_uri: redirectUri,
      ...(namesResource && { resource: mcpUrl(landscape) }),
    })
    expect(await ping(landscape, tokens.access_token)).toBe(200)
    const { refresh_token } = tokens
    const renewed = await ask(shape, registered, { grant_type: 'refresh_token', refresh_token })
    expect(await ping(landscape, renewed.access_token)).toBe(200)
  })

  it('does not burn the code of a confidential client with a try that fails', async () => {
    const shape = SHAPES.find(({ client }) => client.startsWith('Go as a confidential'))!
    const registered = await register(shape.registration)
    const [first] = shape.tokenRequests
    const request = first!(registered, { grant_type: 'authorization_code', code: 'any' })
    const refused = await fetch(at('/token'), { method: 'POST', ...request })
    expect(refused.status).toBe(401)
    expect(await refused.json()).toMatchObject({ error: 'invalid_client' })
  })

  it.each([
    'http://127.0.0.1:54321/other',
    'http://localhost:33418/',
    'https://vscode.dev/redirect/x',
  ])('is not stretched to where it never registered: VS Code, back at %s', async redirectUri => {
    const registered = await register(VSCODE)
    const shape = { ...SHAPES[0]!, redirectUri }
    await expect(authorize(shape, registered, createSecret())).rejects.toThrow('0 buttons')
  })
})
