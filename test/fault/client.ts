import { createHash } from 'node:crypto'
import { createSecret } from '../../src/domain/secret.ts'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { registerAt } from '../support/registration.ts'
import { waitFor } from '../support/wait-for.ts'
import { endpointOf, type Replica, reach, resourceOf } from './house.ts'

const REDIRECT_URI = 'http://127.0.0.1:33418/callback'
/** Upstream tokens are no longer used when they have less than this left. */
const TRAVEL_SECONDS = 2

/** What a user's client holds, as it would on disk. */
export type Session = {
  clientId: string
  accessToken: string
  refreshToken: string
  /** Epoch seconds at which the login was over. */
  signedInAt: number
}

export type TokenAnswer = {
  status: number
  retryAfter: string | null
  body: { access_token?: string; refresh_token?: string; error?: string }
}

export type CallAnswer = { status: number; challenge: string | null; retryAfter: string | null }

type Reach = { front: { origin: string } }

export async function register({ front }: Reach): Promise<string> {
  const { client_id: clientId } = await registerAt(front.origin, REDIRECT_URI)
  return clientId
}

/** The whole way from the authorization request to the tokens; the IdP signs the user in by itself. */
export async function signIn(
  house: Reach,
  clientId?: string,
  resource = resourceOf(house),
): Promise<Session> {
  const client = clientId ?? (await register(house))
  const codeVerifier = createSecret()
  const browser = createBrowserAgent({ stopAt: REDIRECT_URI })
  const consent = await browser.open(authorizationUrl(house, client, codeVerifier, resource))
  const page = await browser.submit(consent, { button: 'approve' })
  const code = new URL(page.url).searchParams.get('code')
  if (!page.isStop || code === null) throw new Error(`no code: ${page.url} ${page.status}`)
  const answer = await askToken(house.front.origin, {
    grant_type: 'authorization_code',
    client_id: client,
    code,
    code_verifier: codeVerifier,
    redirect_uri: REDIRECT_URI,
  })
  return { clientId: client, signedInAt: Date.now() / 1000, ...tokensOf(answer) }
}

/** @throws Error where they were refused */
export function tokensOf({ status, body }: TokenAnswer) {
  const { access_token: accessToken, refresh_token: refreshToken } = body
  if (accessToken === undefined || refreshToken === undefined) {
    throw new Error(`no tokens: ${status} ${JSON.stringify(body)}`)
  }
  return { accessToken, refreshToken }
}

/** @param at a replica, or the front */
export function refresh(
  { clientId, refreshToken }: Pick<Session, 'clientId' | 'refreshToken'>,
  at: { origin: string },
): Promise<TokenAnswer> {
  return askToken(at.origin, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
  })
}

export async function revoke(
  { clientId, refreshToken }: Session,
  at: { origin: string },
): Promise<number> {
  const body = new URLSearchParams({ client_id: clientId, token: refreshToken })
  return (await fetch(`${at.origin}/revoke`, { method: 'POST', body })).status
}

/** One MCP call. @param at a replica, or the front */
export async function call(
  { accessToken }: Pick<Session, 'accessToken'>,
  at: Pick<Replica, 'origin'>,
  search = '',
): Promise<CallAnswer> {
  const response = await fetch(endpointOf(at) + search, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${accessToken}`,
      'content-type': 'application/json',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  })
  await response.text()
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    retryAfter: response.headers.get('retry-after'),
  }
}

/** How often each status was answered, so that a failing test says it all. */
export function tally(answers: readonly { status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

/** Waits until the session's first upstream token is too old to be used. */
export function upstreamExpiry({ signedInAt }: Session, ttlSeconds: number): Promise<void> {
  return reach(signedInAt + ttlSeconds - TRAVEL_SECONDS + 0.1)
}

/** Calls until the answer is 200; whatever comes before it is answered too. */
export async function callUntilGood(
  session: Session,
  at: Pick<Replica, 'origin'>,
  timeoutMs: number,
): Promise<CallAnswer[]> {
  const before: CallAnswer[] = []
  await waitFor(
    async () => {
      const answer = await call(session, at)
      if (answer.status !== 200) before.push(answer)
      return answer.status === 200
    },
    { what: 'a call to be answered', timeoutMs, intervalMs: 100 },
  )
  return before
}

async function askToken(origin: string, form: Record<string, string>): Promise<TokenAnswer> {
  const body = new URLSearchParams(form)
  const response = await fetch(`${origin}/token`, { method: 'POST', body })
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: (await response.json()) as TokenAnswer['body'],
  }
}

/** Where the browser of a user begins. */
export function authorizationUrl(
  house: Reach,
  clientId: string,
  codeVerifier: string,
  resource = resourceOf(house),
): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
    resource,
  })
  return `${house.front.origin}/authorize?${query}`
}
