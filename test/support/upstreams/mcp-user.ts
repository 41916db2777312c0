import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { createSecret } from '../../../src/domain/secret.ts'
import { createBrowserAgent, type Page } from '../browser-agent.ts'
import { registerAt } from '../registration.ts'
import type { Replicas } from './replicas.ts'

const REDIRECT_URI = 'http://127.0.0.1:33418/callback'

export type Tokens = { access_token: string; refresh_token: string; scope: string }

export type TokenAnswer = { status: number; body: Partial<Tokens> & { error?: string } }

export type SignInOptions = {
  /** Sent as `login_hint`. */
  as?: string
  prompt?: string
  /** As the client writes it; default: the resource itself. */
  resource?: string
}

/** Somebody with an MCP client and a browser. */
export type McpUser = {
  clientId: string
  /** Authorizes, approves, and follows the browser to wherever it comes to rest. */
  authorize(options?: SignInOptions): Promise<Page>
  /** Follows a link of a page that is ours, and goes on as `authorize` does. */
  follow(url: string): Promise<Page>
  /** Redeems what the browser brought back. */
  redeem(page: Page): Promise<TokenAnswer>
  /** All of it. */
  signIn(options?: SignInOptions): Promise<Tokens>
  refresh(refreshToken: string): Promise<TokenAnswer>
  /** @returns the status */
  revoke(token: string): Promise<number>
  /** Calls the backend. @returns the status */
  call(accessToken: string): Promise<number>
}

/**
 * @param reroute where the browser finds a page of a vendor's own host
 */
export async function createMcpUser(
  replicas: Replicas,
  reroute: (url: string) => string = url => url,
): Promise<McpUser> {
  const isAway = (url: URL) => url.href.startsWith(REDIRECT_URI) || reroute(url.href) !== url.href
  const agent = createBrowserAgent({ stopAt: isAway })
  const codeVerifier = createSecret()
  const state = createSecret()
  const { origin, resource } = replicas
  const { client_id: clientId } = await registerAt(origin, REDIRECT_URI)

  const post = (path: string, form: Record<string, string>) =>
    fetch(origin + path, {
      method: 'POST',
      body: new URLSearchParams({ client_id: clientId, ...form }),
    })
  const ask = async (form: Record<string, string>): Promise<TokenAnswer> => {
    const response = await post('/token', form)
    return { status: response.status, body: (await response.json()) as TokenAnswer['body'] }
  }
  const goOn = async (page: Page): Promise<Page> => {
    if (!page.isStop || page.url.startsWith(REDIRECT_URI)) return page
    return goOn(await agent.open(reroute(page.url)))
  }
  const follow = async (url: string): Promise<Page> => {
    const consent = await agent.open(url)
    if (!consent.html.includes('name="decision"')) return consent
    return goOn(await agent.submit(consent, { button: 'approve' }))
  }
  const authorize = (options: SignInOptions = {}): Promise<Page> => {
    const url = new URL('/authorize', origin)
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
      resource: options.resource ?? resource,
      state,
      ...(options.as !== undefined && { login_hint: options.as }),
      ...(options.prompt !== undefined && { prompt: options.prompt }),
    }).toString()
    return follow(url.href)
  }
  const redeem = (page: Page): Promise<TokenAnswer> => {
    const { searchParams } = new URL(page.url)
    return ask({
      grant_type: 'authorization_code',
      code: searchParams.get('code') ?? '',
      redirect_uri: REDIRECT_URI,
      code_verifier: codeVerifier,
      resource,
    })
  }
  return {
    clientId,
    authorize,
    follow,
    redeem,
    signIn: async options => {
      const page = await authorize(options)
      expect(page, page.html).toMatchObject({ isStop: true })
      const { status, body } = await redeem(page)
      expect({ status, ...body }, page.url).toMatchObject({ status: 200 })
      return body as Tokens
    },
    refresh: refreshToken => ask({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    revoke: async token => (await post('/revoke', { token })).status,
    call: async accessToken => {
      const response = await fetch(resource, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${accessToken}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      })
      await response.text()
      return response.status
    },
  }
}
