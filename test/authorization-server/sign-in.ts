import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { createSecret } from '../../src/domain/secret.ts'
import { type BrowserAgent, createBrowserAgent, type Page } from '../support/browser-agent.ts'
import { encodeForm, type Gateway } from './support.ts'

/** A registration's answer, as far as the tests need it. */
export type Registered = {
  client_id: string
  client_secret?: string
  redirect_uris: string[]
  token_endpoint_auth_method: string
  [field: string]: unknown
}

export type Tokens = {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
  scope: string
}

export const REDIRECT_URI = 'http://127.0.0.1:33418/callback'

/** Registers a public client. */
export async function register(
  gateway: Gateway,
  metadata: Record<string, unknown> = {},
): Promise<Registered> {
  const response = await postRegistration(gateway, {
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: 'none',
    client_name: 'Test client',
    ...metadata,
  })
  expect(response.status).toBe(201)
  return (await response.json()) as Registered
}

export function postRegistration(gateway: Gateway, body: unknown): Promise<Response> {
  return gateway.request('/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** The S256 code challenge of a verifier. */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}

export const VERIFIER = 'a-verifier.with~every_kind-of.character~0123'

/** A right authorization request but for what is changed; `undefined` takes a parameter away. */
export function authorizationRequest(
  { client_id }: Pick<Registered, 'client_id'>,
  change: Record<string, string | undefined> = {},
): Record<string, string | undefined> {
  return {
    response_type: 'code',
    client_id,
    redirect_uri: REDIRECT_URI,
    code_challenge: challengeOf(VERIFIER),
    code_challenge_method: 'S256',
    state: 'client-state',
    ...change,
  }
}

/** A browser for which the gateway is in this process and everybody else on the network. It stops at the client's redirect URI. */
export function createBrowser(gateway: Gateway, stopAt: string = REDIRECT_URI): BrowserAgent {
  return createBrowserAgent({
    stopAt,
    fetch: (url, init) =>
      url.origin === gateway.issuer ? gateway.app.request(url, init) : fetch(url, init),
  })
}

/** Opens the consent page. */
export async function openConsent(
  gateway: Gateway,
  client: Pick<Registered, 'client_id'>,
  change: Record<string, string | undefined> = {},
  browser: BrowserAgent = createBrowser(gateway, change.redirect_uri),
): Promise<{ browser: BrowserAgent; page: Page }> {
  const query = encodeForm(authorizationRequest(client, change))
  const page = await browser.open(`${gateway.issuer}/authorize?${query}`)
  return { browser, page }
}

/** Approves and signs in; where the browser then is. */
export function approve(browser: BrowserAgent, page: Page): Promise<Page> {
  return browser.submit(page, { button: 'approve' })
}

/** Approves and signs in, and stops where the IdP sends the browser back to the gateway. */
export async function reachCallback(
  gateway: Gateway,
  client: Pick<Registered, 'client_id'>,
  change: Record<string, string | undefined> = {},
): Promise<{ browser: BrowserAgent; callback: URL; cookie: string }> {
  const browser = createBrowser(gateway, `${gateway.issuer}/callback`)
  const { page } = await openConsent(gateway, client, change, browser)
  const { url } = await approve(browser, page)
  const callback = new URL(url)
  return { browser, callback, cookie: browser.cookies.headerFor(callback) }
}

/** The parameters that came back to the client. */
export function answerOf(page: Page): Record<string, string> {
  expect(page.isStop, `${page.url} ${page.status} ${page.html.slice(0, 400)}`).toBe(true)
  return Object.fromEntries(new URL(page.url).searchParams)
}

/** The whole way to an authorization code. */
export async function obtainCode(
  gateway: Gateway,
  client: Pick<Registered, 'client_id'>,
  change: Record<string, string | undefined> = {},
): Promise<string> {
  const { browser, page } = await openConsent(gateway, client, change)
  const { code } = answerOf(await approve(browser, page))
  expect(code).toBeDefined()
  return code as string
}

/** A right token request for a code but for what is changed. */
export function codeRequest(
  { client_id }: Pick<Registered, 'client_id'>,
  code: string,
  change: Record<string, string | undefined> = {},
): Record<string, string | undefined> {
  return {
    grant_type: 'authorization_code',
    client_id,
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
    ...change,
  }
}

/** A right token request for a refresh token but for what is changed. */
export function refreshRequest(
  { client_id }: Pick<Registered, 'client_id'>,
  refresh_token: string,
  change: Record<string, string | undefined> = {},
): Record<string, string | undefined> {
  return { grant_type: 'refresh_token', client_id, refresh_token, ...change }
}

/** Sends a token request that must succeed. */
export async function tokensFor(
  gateway: Gateway,
  form: Record<string, string | undefined>,
): Promise<Tokens> {
  const response = await gateway.post('/token', form)
  const body = await response.json()
  expect(response.status, JSON.stringify(body)).toBe(200)
  return body as Tokens
}

/** The whole way to tokens. */
export async function signIn(
  gateway: Gateway,
  client: Pick<Registered, 'client_id'>,
  change: Record<string, string | undefined> = {},
): Promise<Tokens> {
  return tokensFor(gateway, codeRequest(client, await obtainCode(gateway, client, change)))
}

/** The `Authorization` of RFC 6749 section 2.3.1. */
export function basic(clientId: string, secret: string, encode = (text: string) => text): string {
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')}`
}

/** The body of an error, which has exactly its two fields. */
export async function errorOf(response: Response): Promise<string> {
  const body = (await response.json()) as Record<string, unknown>
  expect(Object.keys(body).sort()).toEqual(['error', 'error_description'])
  return String(body.error)
}

/** A value that nobody has made. */
export const UNKNOWN = createSecret()

/** An error in the form of the standard, which nobody may store. */
export async function expectError(
  response: Response,
  status: number,
  error: string,
): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await errorOf(response)).toBe(error)
}

/** What the client hears of a whole sign-in. */
export async function outcomeOf(gateway: Gateway): Promise<Record<string, string>> {
  const { browser, page } = await openConsent(gateway, await register(gateway))
  return answerOf(await approve(browser, page))
}
