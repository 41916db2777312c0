import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { createSecret } from '../../src/domain/secret.ts'
import type { Explanation } from '../../src/http/admin.ts'
import type { Whoami } from '../support/backend-tools.ts'
import { type GatewayProcess, runGateway, startGateways } from '../support/gateway-process.ts'
import { startLegacyBackend } from '../support/legacy-backend.ts'
import { startModernBackend } from '../support/modern-backend.ts'
import { fieldValues, type RecordingBackend } from '../support/recording-backend.ts'
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts'
import { createSecretsLog } from '../support/secrets-log.ts'
import { createTokenExchange, type TokenExchange } from '../support/token-exchange.ts'
import { createAuthorizationServerProfile } from '../support/upstreams/authorization-server.ts'
import { type OidcVendor, startOidcVendor } from '../support/upstreams/oidc-vendor.ts'
import { waitFor } from '../support/wait-for.ts'
import { openBrowser, REDIRECT_URI } from './oauth-client.ts'
import { createLegacySdk, createModernSdk, type SdkClient } from './sdk-client.ts'

type Scene = {
  front: RoundRobin
  replicas: GatewayProcess[]
  server: OidcVendor
  exchange: TokenExchange
  backends: { legacy: RecordingBackend[]; modern: RecordingBackend[] }
  config: Record<string, unknown>
  close(): Promise<unknown>
}

/** Two replicas, which have nothing in common but their configuration, between clients of an oidc-provider and backends that take its exchanged tokens. */
async function startScene(format: 'jwt' | 'opaque'): Promise<Scene> {
  const exchange = createTokenExchange(300)
  const profile = createAuthorizationServerProfile(format, exchange)
  const server = await startOidcVendor(profile, { redirectUri: REDIRECT_URI })
  const start = (create: typeof startLegacyBackend, era: string) =>
    Promise.all([1, 2].map(number => create({ instance: `${era}-${number}` })))
  const backends = {
    legacy: await start(startLegacyBackend, 'legacy'),
    modern: await start(startModernBackend, 'modern'),
  }
  const front = await startRoundRobin([])
  const { issuer, clientId, clientSecret } = server
  const config = {
    publicUrl: front.origin,
    auth: 'external',
    authorizationServer: {
      issuer,
      ...(format === 'opaque' && { introspection: { clientId, clientSecret, cache: '1s' } }),
    },
    upstream: { provider: 'oidc', issuer, clientId, clientSecret },
    backends: Object.entries(backends).map(([era, instances]) => ({
      path: `/${era}/mcp`,
      instances: instances.map(({ url }) => url),
      scopes: { 'crm.read': {}, 'crm.write': { default: false } },
      required: ['crm.read'],
      tools: { add: { scopes: ['crm.write'] } },
      credential: { exchange: { audience: `urn:${era}` } },
    })),
    log: { level: 'trace' },
  }
  const replicas = await startGateways(2, config)
  for (const [index, { origin }] of replicas.entries()) front.restore(index, origin)
  const parts = [front, server, ...backends.legacy, ...backends.modern]
  const close = () =>
    Promise.all([...replicas.map(({ kill }) => kill()), ...parts.map(part => part.close())])
  return { front, replicas, server, exchange, backends, config, close }
}

function createSdk({ front }: Scene, era: 'legacy' | 'modern'): SdkClient {
  const secrets = { secrets: createSecretsLog() }
  const url = `${front.origin}/${era}/mcp`
  return era === 'legacy'
    ? createLegacySdk(secrets, url)
    : createModernSdk(secrets, url, { mode: { pin: '2026-07-28' } })
}

async function call({ front }: Scene, path: string, token: string, tool?: string) {
  const message = tool
    ? { method: 'tools/call', params: { name: tool, arguments: {} } }
    : { method: 'ping' }
  const response = await fetch(front.origin + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
  })
  await response.text()
  const challenge = response.headers.get('www-authenticate')
  return { status: response.status, challenge, retryAfter: response.headers.get('retry-after') }
}

function everythingThatCame({ backends }: Scene): string {
  const requests = [...backends.legacy, ...backends.modern].flatMap(backend => backend.requests)
  return requests.map(({ url, rawHeaders, body }) => [url, ...rawHeaders, body].join('\n')).join()
}

describe('auth: external, with an oidc-provider that signs JWTs', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await startScene('jwt')
  })
  afterAll(() => scene?.close())

  it.each([
    ['SDK v1', 'legacy'],
    ['SDK v2', 'modern'],
  ] as const)(
    '%s finds that server, signs in there, and calls both instances; they never see its token',
    async (_, era) => {
      const sdk = createSdk(scene, era)
      const client = await sdk.connect()
      const seen = new Set<string>()
      await waitFor(
        async () => {
          const { instance, claims } = JSON.parse(await client.call('whoami')) as Whoami
          expect(claims).toMatchObject({
            sub: 'alice',
            iss: scene.server.issuer,
            aud: `urn:${era}`,
          })
          return seen.add(instance).size === 2
        },
        { what: 'both instances to answer' },
      )
      await client.close()
      const [token = ''] = sdk.login.accessTokens
      expect(sdk.login.logins).toBe(1)
      expect(decodeProtectedHeader(token).typ).toBe('at+jwt')
      expect(decodeJwt(token).aud).toBe(`${scene.front.origin}/${era}/mcp`)
      const exchanged = scene.exchange.requests.filter(({ subject_token: own }) => own === token)
      // Once by each replica: they share nothing.
      expect(exchanged).toHaveLength(2)
      expect(everythingThatCame(scene)).not.toContain(token)
      const [request] = scene.backends[era].flatMap(({ requests }) => requests)
      expect(request && fieldValues(request, 'authorization')).toHaveLength(1)
      for (const { logs } of scene.replicas) expect(logs()).not.toContain(token)
    },
  )

  it('names it in the metadata of each resource, and has no endpoints of an authorization server itself', async () => {
    const { origin } = scene.front
    const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource/legacy/mcp`)
    expect(await metadata.json()).toMatchObject({
      resource: `${origin}/legacy/mcp`,
      authorization_servers: [scene.server.issuer],
      scopes_supported: ['crm.read'],
    })
    const paths = [
      '/authorize',
      '/consent',
      '/callback',
      '/token',
      '/register',
      '/revoke',
      '/introspect',
      '/jwks',
    ]
    const wellKnown = [
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
    ]
    for (const path of [...paths, ...wellKnown]) {
      for (const method of ['GET', 'POST']) {
        expect([path, (await fetch(origin + path, { method })).status]).toEqual([path, 404])
      }
    }
    expect((await fetch(origin)).status).toBe(200)
  })

  it('refuses a token that the same server has issued for another resource', async () => {
    const sdk = createSdk(scene, 'modern')
    await (await sdk.connect()).close()
    const [token = ''] = sdk.login.accessTokens
    const before = scene.exchange.requests.length
    const refused = await call(scene, '/legacy/mcp', token)
    expect(refused).toMatchObject({ status: 401 })
    expect(refused.challenge).toContain('error="invalid_token"')
    expect(refused.challenge).toContain(
      `resource_metadata="${scene.front.origin}/.well-known/oauth-protected-resource/legacy/mcp"`,
    )
    expect(scene.exchange.requests).toHaveLength(before)
  })

  it('refuses an ID token, although its signature is good', async () => {
    const idToken = await signInForIdToken(scene)
    expect(decodeJwt(idToken)).toMatchObject({ iss: scene.server.issuer, sub: 'alice' })
    expect(await call(scene, '/legacy/mcp', idToken)).toMatchObject({ status: 401 })
  })

  it('is looked at by the doctor, with the eyes of the gateway and of clients', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'gateway.config.yaml')
    await writeFile(file, stringify(scene.config))
    const { output } = await runGateway(['doctor', '--config', file])
    const { issuer } = scene.server
    expect(output).toContain(
      `ok    ${issuer}: metadata found, and its issuer is the configured one`,
    )
    expect(output).toContain(`ok    1 keys at ${issuer}/jwks`)
    expect(output).toContain('ok    clients that it does not know can register there')
    expect(output).toContain('ok    PKCE with S256')
    expect(output).toContain(`ok    ${scene.front.origin}/legacy/mcp: metadata as configured`)
    expect(output).not.toContain('register this redirect URI')

    await writeFile(
      file,
      stringify({ ...scene.config, authorizationServer: { issuer: `${issuer}/other` } }),
    )
    const wrong = await runGateway(['doctor', '--config', file])
    expect(wrong.code).toBe(1)
    expect(wrong.output).toContain(`fail  ${issuer}/other: no usable metadata`)
  })

  it('tells operators that only a token can say who may what', async () => {
    const { front, replicas, server } = scene
    const question = new URL(`${replicas[0]?.opsOrigin}/admin/explain`)
    question.search = new URLSearchParams({
      resource: `${front.origin}/legacy/mcp`,
      subject: 'alice',
      client: 'a-client',
    }).toString()
    const { isAllowed, steps } = (await (await fetch(question)).json()) as Explanation
    expect(isAllowed).toBe(false)
    expect(steps.at(-1)).toMatchObject({
      rule: 'auth',
      why: expect.stringContaining(server.issuer),
    })
  })

  it('asks for a scope that a tool needs and the token lacks', async () => {
    const sdk = createSdk(scene, 'legacy')
    await (await sdk.connect()).close()
    const refused = await call(scene, '/legacy/mcp', sdk.login.accessTokens[0] ?? '', 'add')
    expect(refused).toMatchObject({ status: 403 })
    expect(refused.challenge).toMatch(/error="insufficient_scope".*scope="crm.read crm.write"/)
  })
})

describe('auth: external, with an oidc-provider that is asked about opaque tokens', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await startScene('opaque')
  })
  afterAll(() => scene?.close())

  it('admits what is active, answers an outage with 503 and a revoked token with 401', async () => {
    const sdk = createSdk(scene, 'modern')
    const client = await sdk.connect()
    expect(JSON.parse(await client.call('whoami'))).toMatchObject({
      claims: { sub: 'alice', aud: 'urn:modern' },
    })
    await client.close()
    const [token = ''] = sdk.login.accessTokens
    expect(token).not.toContain('.')
    expect(everythingThatCame(scene)).not.toContain(token)

    scene.server.intercept(({ path }) => {
      return path.endsWith('/introspection') ? { status: 503, json: {} } : undefined
    })
    const outage = await waitFor(
      async () => {
        const answer = await call(scene, '/modern/mcp', token)
        expect(answer.status).not.toBe(401)
        return answer.status === 503 ? answer : undefined
      },
      { what: 'what is remembered of the token to end' },
    )
    expect(outage).toMatchObject({ status: 503, challenge: null })
    expect(Number(outage?.retryAfter)).toBeGreaterThan(0)

    scene.server.intercept(undefined)
    scene.server.revokeUser('alice')
    const revoked = await waitFor(
      async () => {
        const answer = await call(scene, '/modern/mcp', token)
        return answer.status === 401 ? answer : undefined
      },
      { what: 'the revocation to be noticed' },
    )
    expect(revoked?.challenge).toContain('error="invalid_token"')
  })
})

/** As a client of its own that asks for `openid`. */
async function signInForIdToken({ server }: Scene): Promise<string> {
  const codeVerifier = createSecret()
  const url = new URL('/auth', server.issuer)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: server.clientId,
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    nonce: createSecret(),
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const page = await openBrowser({ secrets: createSecretsLog() }).open(url.href)
  const response = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: new URL(page.url).searchParams.get('code') ?? '',
      redirect_uri: REDIRECT_URI,
      code_verifier: codeVerifier,
      client_id: server.clientId,
      client_secret: server.clientSecret,
    }),
  })
  const { id_token: idToken } = (await response.json()) as { id_token: string }
  return idToken
}
