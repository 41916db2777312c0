import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { openBrowser, REDIRECT_URI } from './oauth-client.ts'

/** Its one leniency: plain http, on loopback. */
const HTTP = { [oauth.allowInsecureRequests]: true }

const ACCESS = {
  scopes: { 'tools.use': {}, 'tools.record': { default: false } },
  tools: { record_call: { scopes: ['tools.record'] } },
}
const MESSAGE = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
}

let landscape: Landscape
let resource: URL
beforeAll(async () => {
  landscape = await startLandscape({ backend: ACCESS })
  resource = new URL(mcpUrl(landscape))
})
afterAll(() => landscape?.close())

/** What a client learns from the URL of an MCP endpoint alone. */
async function discover(): Promise<oauth.AuthorizationServer> {
  const server = await oauth.processResourceDiscoveryResponse(
    resource,
    await oauth.resourceDiscoveryRequest(resource, HTTP),
  )
  const issuer = new URL(server.authorization_servers?.[0] ?? '')
  const answer = await oauth.discoveryRequest(issuer, { ...HTTP, algorithm: 'oauth2' })
  return oauth.processDiscoveryResponse(issuer, answer)
}

async function register(as: oauth.AuthorizationServer, method: string): Promise<Registered> {
  const metadata = {
    client_name: 'A standard client',
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: method,
  }
  const answer = await oauth.dynamicClientRegistrationRequest(as, metadata, HTTP)
  const client = await oauth.processDynamicClientRegistrationResponse(answer)
  const secret = String(client.client_secret)
  const auth = {
    none: oauth.None(),
    client_secret_post: oauth.ClientSecretPost(secret),
    client_secret_basic: oauth.ClientSecretBasic(secret),
  }[method]
  return { as, client, auth: auth! }
}

type Registered = { as: oauth.AuthorizationServer; client: oauth.Client; auth: oauth.ClientAuth }

/** Sends the person to the browser, and answers what comes back to the redirect URI. */
async function authorize({ as, client }: Registered, scope?: string) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint!)
  url.search = new URLSearchParams({
    ...{ response_type: 'code', client_id: client.client_id, redirect_uri: REDIRECT_URI },
    ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), state },
    ...{ code_challenge_method: 'S256', resource: resource.href, ...(scope && { scope }) },
  }).toString()
  const browser = openBrowser(landscape)
  const page = await browser.submit(await browser.open(url.href), { button: 'approve' })
  return { callback: new URL(page.url), verifier, state }
}

async function signIn(registered: Registered, scope?: string) {
  const { as, client, auth } = registered
  const { callback, verifier, state } = await authorize(registered, scope)
  const parameters = oauth.validateAuthResponse(as, client, callback, state)
  const options = { ...HTTP, additionalParameters: { resource: resource.href } }
  const answer = await oauth.authorizationCodeGrantRequest(
    ...([as, client, auth, parameters, REDIRECT_URI, verifier, options] as const),
  )
  return oauth.processAuthorizationCodeResponse(as, client, answer)
}

function call(token: string, tool: string): Promise<Response> {
  const params = { name: tool, arguments: { a: 1, b: 2 } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  return oauth.protectedResourceRequest(
    ...([token, 'POST', resource, new Headers(MESSAGE), body, HTTP] as const),
  )
}

/** The challenge of a refused call. */
async function challengeOf(refused: Promise<unknown>) {
  const error = await refused.catch(reason => reason)
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
  return error.cause.map(({ scheme, parameters }) => ({ scheme, ...parameters }))
}

describe.each(['none', 'client_secret_post', 'client_secret_basic'])(
  'oauth4webapi in strict mode, with %s',
  method => {
    it('discovers, registers, signs in, calls, refreshes and revokes', async () => {
      const registered = await register(await discover(), method)
      const { as, client, auth } = registered
      const tokens = await signIn(registered)
      expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'tools.use' })
      expect((await call(tokens.access_token, 'add')).status).toBe(200)

      const refresh = (token: string) =>
        oauth.refreshTokenGrantRequest(as, client, auth, token, HTTP)
      const renewed = await oauth.processRefreshTokenResponse(
        as,
        client,
        await refresh(tokens.refresh_token!),
      )
      expect(renewed.refresh_token).not.toBe(tokens.refresh_token)
      expect((await call(renewed.access_token, 'add')).status).toBe(200)

      const answer = await oauth.revocationRequest(as, client, auth, renewed.refresh_token!, HTTP)
      await oauth.processRevocationResponse(answer)
      const dead = refresh(renewed.refresh_token!)
      await expect(
        dead.then(refused => oauth.processRefreshTokenResponse(as, client, refused)),
      ).rejects.toMatchObject({ error: 'invalid_grant' })
      expect(await challengeOf(call(renewed.access_token, 'add'))).toMatchObject([
        { scheme: 'bearer', error: 'invalid_token' },
      ])
    })
  },
)

describe('oauth4webapi in strict mode', () => {
  it('is told by a challenge where to begin', async () => {
    const [challenge] = await challengeOf(call('none-of-ours', 'add'))
    const metadata = `${landscape.front.origin}/.well-known/oauth-protected-resource${resource.pathname}`
    expect(challenge).toMatchObject({ error: 'invalid_token', resource_metadata: metadata })
  })

  it('steps up with the scope that the challenge names', async () => {
    const registered = await register(await discover(), 'none')
    const { access_token } = await signIn(registered)
    const [challenge] = await challengeOf(call(access_token, 'record_call'))
    expect(challenge).toMatchObject({
      ...{ error: 'insufficient_scope', scope: 'tools.use tools.record' },
    })
    const more = await signIn(registered, challenge?.scope)
    expect(more.scope).toBe('tools.use tools.record')
    expect((await call(more.access_token, 'record_call')).status).toBe(200)
  })

  it('finds the issuer in every answer of /authorize, good or bad, and refuses another', async () => {
    const registered = await register(await discover(), 'none')
    const { as, client } = registered
    expect(as.authorization_response_iss_parameter_supported).toBe(true)
    const { callback, state } = await authorize(registered)
    const { callback: denied, state: deniedState } = await deny(registered)
    expect(() => oauth.validateAuthResponse(as, client, callback, state)).not.toThrow()
    expect(() => oauth.validateAuthResponse(as, client, denied, deniedState)).toThrow(
      oauth.AuthorizationResponseError,
    )
    for (const iss of [`${as.issuer}/`, 'https://evil.example']) {
      callback.searchParams.set('iss', iss)
      expect(() => oauth.validateAuthResponse(as, client, callback, state)).toThrow('"iss"')
    }
    callback.searchParams.delete('iss')
    expect(() => oauth.validateAuthResponse(as, client, callback, state)).toThrow('iss')
  })

  /** The same as `authorize`, with a person who does not want to. */
  async function deny({ as, client }: Registered) {
    const state = oauth.generateRandomState()
    const challenge = await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier())
    const url = new URL(as.authorization_endpoint!)
    url.search = new URLSearchParams({
      ...{ response_type: 'code', client_id: client.client_id, redirect_uri: REDIRECT_URI },
      ...{ code_challenge: challenge, code_challenge_method: 'S256', state },
      resource: resource.href,
    }).toString()
    const browser = createBrowserAgent({ stopAt: REDIRECT_URI })
    const page = await browser.submit(await browser.open(url.href), { button: 'deny' })
    return { callback: new URL(page.url), state }
  }
})
