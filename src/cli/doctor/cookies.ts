import * as z from 'zod'
import { createSecret, digest } from '../../domain/secret.ts'
import { reasonOf } from '../../observability/reason.ts'
import { type Finding, fail, ok } from './finding.ts'

const TIMEOUT_MS = 10_000
const REDIRECT_URI = 'http://127.0.0.1/doctor'
const NAME = 'mcp-auth-gateway doctor'

const registration = z.object({ client_id: z.string() })

/** A consent page as it arrived: its handle, and the cookies that came with it. */
type ConsentPage = { handle: string | undefined; cookies: readonly string[]; age: string | null }

/**
 * Begins a login as a client of its own, twice, and denies it: whether the cookies that a login rests on pass whatever stands in front, in both directions, and whether that keeps
 * pages back.
 *
 * @param resource one of the gateway's
 */
export async function examineCookies(publicUrl: string, resource: string): Promise<Finding[]> {
  try {
    const clientId = await register(publicUrl)
    if (clientId === undefined)
      return [ok('cookies: not looked at, since clients do not register themselves there')]
    const url = authorizationUrl(publicUrl, clientId, resource)
    const pages = [await openConsent(url), await openConsent(url)]
    const findings = [judgeKept(pages), ...pages.slice(0, 1).map(page => judgeSet(publicUrl, page))]
    const denied = await Promise.all(pages.map(page => deny(publicUrl, page)))
    if (findings.some(({ level }) => level === 'fail')) return findings
    return [...findings, judgeReturned(denied)]
  } catch (error) {
    const fix =
      'mend what fails above; if nothing does, look at the gateway’s log, and at what stands in front of it'
    return [fail(`cookies: ${reasonOf(error)}`, fix)]
  }
}

function judgeKept([first, second]: readonly ConsentPage[]): Finding {
  const isSame = first?.handle !== undefined && first.handle === second?.handle
  if (!isSame && first?.age === null) return ok('pages of a login are not cached on the way')
  return fail(
    'something in front of the gateway caches pages of a login',
    'let it obey Cache-Control: no-store, or switch its cache off for this host',
  )
}

function judgeSet(publicUrl: string, { cookies }: ConsentPage): Finding {
  const isSecure = publicUrl.startsWith('https:')
  const own = cookies.filter(cookie => cookie.startsWith(isSecure ? '__Host-consent-' : 'consent-'))
  const [cookie = ''] = own
  const wanted = ['Path=/', 'HttpOnly', 'SameSite=Lax', ...(isSecure ? ['Secure'] : [])]
  const attributes = cookie.split(/;\s*/).slice(1)
  const isWhole =
    wanted.every(attribute => attributes.some(given => isAlike(given, attribute))) &&
    !attributes.some(given => /^domain=/i.test(given))
  if (own.length === 1 && isWhole) return ok('Set-Cookie of a login arrives as it was sent')
  return fail(
    own.length === 0
      ? 'Set-Cookie of a login does not arrive'
      : 'Set-Cookie of a login is changed on the way',
    'let what stands in front of the gateway pass Set-Cookie on as it is: no renaming, no other path or domain, no attribute less',
  )
}

function isAlike(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}

function judgeReturned(denied: readonly boolean[]): Finding {
  return denied.every(Boolean)
    ? ok('Cookie of a login comes back to the gateway')
    : fail(
        'Cookie of a login does not come back to the gateway',
        'let what stands in front of the gateway pass Cookie on as it is, and send /authorize and /consent to the same gateway or to replicas with the same redis and keys',
      )
}

async function register(publicUrl: string): Promise<string | undefined> {
  const response = await send(`${publicUrl}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ client_name: NAME, redirect_uris: [REDIRECT_URI] },
      token_endpoint_auth_method: 'none',
    }),
  })
  if (response.status === 201) return registration.parse(await response.json()).client_id
  await response.body?.cancel()
  return undefined
}

function authorizationUrl(publicUrl: string, clientId: string, resource: string): string {
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: REDIRECT_URI, resource },
    ...{ code_challenge: digest(createSecret()), code_challenge_method: 'S256' },
  })
  return `${publicUrl}/authorize?${query}`
}

async function openConsent(url: string): Promise<ConsentPage> {
  const response = await send(url)
  const html = await response.text()
  if (response.status !== 200) throw new Error(`/authorize answers ${response.status}`)
  return {
    handle: /name="consent" value="([\w-]+)"/.exec(html)?.[1],
    cookies: response.headers.getSetCookie(),
    age: response.headers.get('age'),
  }
}

/** @returns whether the gateway knew the browser again */
async function deny(publicUrl: string, { handle, cookies }: ConsentPage): Promise<boolean> {
  const cookie = cookies.map(line => line.split(';', 1)[0]).join('; ')
  const response = await send(`${publicUrl}/consent`, {
    method: 'POST',
    headers: { origin: publicUrl, ...(cookie !== '' && { cookie }) },
    body: new URLSearchParams({ consent: handle ?? '', decision: 'deny' }),
  })
  await response.body?.cancel()
  return response.headers.get('location')?.startsWith(`${REDIRECT_URI}?`) === true
}

function send(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
}
