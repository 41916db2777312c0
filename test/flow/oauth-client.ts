import { createHash } from 'node:crypto'
import { createSecret } from '../../src/domain/secret.ts'
import { type BrowserAgent, createBrowserAgent, type Page } from '../support/browser-agent.ts'
import { type Registration, registerAt } from '../support/registration.ts'
import { type Landscape, mcpUrl } from './landscape.ts'

export const REDIRECT_URI = 'http://127.0.0.1:33418/callback'

/** A token endpoint's answer, good or bad. */
export type TokenAnswer = {
  status: number
  body: { access_token?: string; refresh_token?: string; scope?: string; error?: string }
}

export type Tokens = { accessToken: string; refreshToken: string }

/** One authorization request: the URL for the browser, and what its answer is redeemed with. */
export type Attempt = { url: string; state: string; codeVerifier: string; resource: string }

/** A client written by hand, whose every message is in the hands of the test. */
export type OAuthClient = {
  clientId: string
  begin(resource?: string): Attempt
  /** @param at origin of one replica; the front where it is missing */
  redeem(attempt: Attempt, code: string, at?: string): Promise<TokenAnswer>
  refresh(refreshToken: string, at?: string, scope?: string): Promise<TokenAnswer>
  /** @returns the status */
  revoke(token: string, at?: string): Promise<number>
}

/** Registers a client. Whatever it learns or makes up that is secret is noted. */
export async function registerClient(
  landscape: Landscape,
  metadata: Record<string, unknown> = {},
): Promise<OAuthClient> {
  const { front, secrets } = landscape
  const registration = await registerAt(front.origin, REDIRECT_URI, metadata)
  secrets.addTokens(registration)
  return createOAuthClient(landscape, registration)
}

/** A client that knows its id (and secret) from somewhere. */
export function createOAuthClient(landscape: Landscape, registration: Registration): OAuthClient {
  const { front, secrets } = landscape
  const post = async (at: string, path: string, parameters: Record<string, string>) => {
    const form = new URLSearchParams({ ...registration, ...parameters })
    secrets.addForm(form)
    return fetch(at + path, { method: 'POST', body: form })
  }
  const askToken = async (at: string, parameters: Record<string, string>): Promise<TokenAnswer> => {
    const response = await post(at, '/token', parameters)
    const body = (await response.json()) as TokenAnswer['body']
    secrets.addTokens(body)
    return { status: response.status, body }
  }
  return {
    clientId: registration.client_id,
    begin: (resource = mcpUrl(landscape)) => {
      const attempt = { state: createSecret(), codeVerifier: createSecret(), resource }
      secrets.add('state', attempt.state)
      secrets.add('code_verifier', attempt.codeVerifier)
      return { ...attempt, url: authorizationUrl(front.origin, registration.client_id, attempt) }
    },
    redeem: ({ codeVerifier, resource }, code, at = front.origin) =>
      askToken(at, {
        grant_type: 'authorization_code',
        code,
        code_verifier: codeVerifier,
        redirect_uri: REDIRECT_URI,
        resource,
      }),
    refresh: (refreshToken, at = front.origin, scope) =>
      askToken(at, {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        ...(scope !== undefined && { scope }),
      }),
    revoke: async (token, at = front.origin) => (await post(at, '/revoke', { token })).status,
  }
}

/** A browser that stops where the client takes over. */
export function openBrowser(
  { secrets }: Pick<Landscape, 'secrets'>,
  stop?: (url: URL) => boolean,
): BrowserAgent {
  const isRedirectUri = (url: URL) => url.href.startsWith(`${REDIRECT_URI}?`)
  return createBrowserAgent({
    secrets,
    stopAt: url => isRedirectUri(url) || stop?.(url) === true,
  })
}

/** Opens an attempt in the browser and approves it; the IdP signs its default user in by itself. */
export async function approve(browser: BrowserAgent, { url }: Attempt): Promise<Page> {
  return browser.submit(await browser.open(url), { button: 'approve' })
}

/**
 * The code on the page where a flow ended.
 *
 * @throws Error where it ended anywhere but at the client's redirect URI, or with another `state`
 */
export function codeOf({ url, status, html }: Page, { state }: Attempt): string {
  const { searchParams } = new URL(url)
  const code = searchParams.get('code')
  if (!url.startsWith(`${REDIRECT_URI}?`) || code === null) {
    throw new Error(`no code: the browser is at ${url} (${status}) ${html}`)
  }
  if (searchParams.get('state') !== state) throw new Error('the state is not that of the attempt')
  return code
}

/** @throws Error where they were refused */
export function tokensOf({ status, body }: TokenAnswer): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken } = body
  if (status !== 200 || accessToken === undefined || refreshToken === undefined) {
    throw new Error(`no tokens: ${status} ${JSON.stringify(body)}`)
  }
  return { accessToken, refreshToken }
}

/** The whole way from the authorization request to the tokens. */
export async function signIn(
  landscape: Landscape,
  client: OAuthClient,
  resource = mcpUrl(landscape),
): Promise<Tokens> {
  const attempt = client.begin(resource)
  const code = codeOf(await approve(openBrowser(landscape), attempt), attempt)
  return tokensOf(await client.redeem(attempt, code))
}

/**
 * Sends one request to the legacy endpoint, which needs no handshake, as its backend keeps no session.
 *
 * @param at origin of one replica; the front where it is missing
 * @returns the status
 */
export async function ping({ front }: Landscape, token: string, at = front.origin) {
  const response = await fetch(`${at}/legacy/mcp`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  })
  await response.text()
  return response.status
}

function authorizationUrl(
  origin: string,
  clientId: string,
  { state, codeVerifier, resource }: Omit<Attempt, 'url'>,
): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
    state,
    resource,
  })
  return `${origin}/authorize?${query}`
}
