/** The part of the flow that happens in a browser: consent at the gateway, sign-in at the embedded IdP. */
import { createHash, randomBytes } from 'node:crypto'
import { type BrowserAgent, createBrowserAgent, type Page } from '../browser-agent.ts'
import { createBrowserFetch } from '../localhost-names.ts'
import type { Discovery } from './oauth.ts'
import { type Report, shorten } from './report.ts'

export type Authorized = { code: string; codeVerifier: string }

/** Where the browser would go back to. The agent stops there, so nobody has to listen. */
export const REDIRECT_URI = 'http://127.0.0.1:33418/callback'

const SIGNS_IN_AS = 'alice'

/** Authorizes the client as a person would: opens the URL, approves, signs in as Alice. @see RFC 6749 section 4.1 */
export async function authorize(
  report: Report,
  discovery: Discovery,
  clientId: string,
): Promise<Authorized> {
  const codeVerifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const agent = createBrowserAgent({ stopAt: REDIRECT_URI, fetch: createBrowserFetch() })
  const url = authorizationUrl(discovery, clientId, state, codeVerifier)

  report.step('Authorize: the client opens a browser')
  report.fact('the URL', shortenParameters(url))
  const consent = await agent.open(url.href)
  if (consent.status !== 200) throw new Error(`no consent page, but a ${consent.status}`)

  report.step('Consent: the gateway asks who is in front of the browser')
  report.fact('it asks', headingOf(consent))
  const signIn = await agent.submit(consent, { button: 'Approve' })
  report.fact('approved, and sent on to', new URL(signIn.url).origin)

  report.step('Sign in: the identity provider asks who it is')
  return { code: await signInAsAlice(report, agent, signIn, discovery, state), codeVerifier }
}

async function signInAsAlice(
  report: Report,
  agent: BrowserAgent,
  signIn: Page,
  { server }: Discovery,
  state: string,
): Promise<string> {
  report.fact('it asks', headingOf(signIn))
  const end = await agent.submit(signIn, { button: SIGNS_IN_AS })
  report.fact('signed in as', SIGNS_IN_AS)
  if (!end.isStop) throw new Error(`the browser ended up at ${pathOf(end.url)}: ${headingOf(end)}`)
  for (const { url } of end.hops.slice(1)) report.fact('redirected through', pathOf(url))
  const answer = new URL(end.url).searchParams
  const error = answer.get('error')
  if (error !== null) throw new Error(`${error}: ${answer.get('error_description')}`)
  if (answer.get('state') !== state) throw new Error('the state that came back is not ours')
  if (answer.get('iss') !== server.issuer) throw new Error('the answer is from another issuer')
  const code = answer.get('code')
  if (code === null) throw new Error('the browser came back without a code')
  report.fact('back at the client with the code', shorten(code))
  return code
}

function authorizationUrl(
  { server, resource, scope }: Discovery,
  clientId: string,
  state: string,
  codeVerifier: string,
): URL {
  const url = new URL(server.authorization_endpoint)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    resource,
    scope,
    state,
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  return url
}

/** The URL for reading: decoded, with what is long and random cut short. */
function shortenParameters(url: URL): string {
  const long = new Set(['client_id', 'state', 'code_challenge'])
  const parameters = [...url.searchParams].map(
    ([name, value]) => `${name}=${long.has(name) ? shorten(value) : value}`,
  )
  return `${url.origin}${url.pathname}?${parameters.join('&')}`
}

/** Without the query, and without the ids that some paths end in. */
function pathOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname.replace(/[\w-]{16,}/g, shorten)
}

function headingOf(page: Page): string {
  return /<h1[^>]*>([^<]*)</.exec(page.html)?.[1]?.trim() ?? `nothing (${page.status})`
}
