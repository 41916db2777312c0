import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import type { Page } from '../support/browser-agent.ts'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { answerOf, approve, createBrowser, openConsent, register, UNKNOWN } from './sign-in.ts'
import {
  createGateway,
  failing,
  type Gateway,
  ISSUER,
  LOOPBACK_ISSUER,
  startIdp,
} from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterAll(() => idp.close())

const EXPIRED = 'This sign-in has expired'
const NO_COOKIE = 'This browser did not start the sign-in'

function handleOf(page: Page): string {
  return /name="consent" value="([\w-]{43})"/.exec(page.html)?.[1] ?? ''
}

/** Sends the form without a browser. */
function decide(
  gateway: Gateway,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return gateway.post('/consent', form, headers)
}

function cookieOf(gateway: Gateway, browser: ReturnType<typeof createBrowser>): string {
  return browser.cookies.headerFor(new URL(gateway.issuer))
}

async function expectPage(response: Response, title: string): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('location')).toBeNull()
  expect(await response.text()).toContain(title)
}

describe('the decision (MCP security best practices, "Confused Deputy Problem")', () => {
  it('to deny goes back to the client with access_denied, state and iss, and nothing goes to the IdP', async () => {
    const gateway = createGateway({ idp })
    const before = idp.counts.authorize
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const answer = answerOf(await browser.submit(page, { button: 'deny' }))
    expect(answer).toEqual({
      error: 'access_denied',
      error_description: 'the user denied access',
      state: 'client-state',
      iss: ISSUER,
    })
    expect(idp.counts.authorize).toBe(before)
    expect(browser.cookies.names(ISSUER)).toEqual([])
  })

  it('is asked for again, though the same user of the same browser has just approved the same client (known failure 3)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const first = await openConsent(gateway, client)
    expect(answerOf(await approve(first.browser, first.page))).toHaveProperty('code')
    const { page } = await openConsent(gateway, client, {}, first.browser)
    expect(page.status).toBe(200)
    expect(handleOf(page)).toMatch(/^[\w-]{43}$/)
    expect(handleOf(page)).not.toBe(handleOf(first.page))
  })

  it('that is neither is a denial', async () => {
    const gateway = createGateway({ idp })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const fields = { decision: 'maybe' }
    const answer = answerOf(await browser.submit(page, { button: 'deny', fields }))
    expect(answer.error).toBe('access_denied')
  })

  it('to approve goes to the IdP with PKCE, a nonce, and a state that is not the handle', async () => {
    const gateway = createGateway({ idp })
    const { browser, page } = await openConsent(gateway, await register(gateway), {
      prompt: 'login',
      login_hint: 'bob@example.com',
    })
    const handle = handleOf(page)
    const cookie = cookieOf(gateway, browser)
    const response = await decide(gateway, { consent: handle, decision: 'approve' }, { cookie })
    expect(response.status).toBe(303)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const location = new URL(response.headers.get('location') ?? '')
    expect(location.origin).toBe(idp.issuer)
    const { state, nonce, code_challenge, ...rest } = Object.fromEntries(location.searchParams)
    expect(rest).toEqual({
      client_id: idp.clientId,
      redirect_uri: `${ISSUER}/callback`,
      response_type: 'code',
      scope: 'openid profile email offline_access',
      code_challenge_method: 'S256',
      prompt: 'login',
      login_hint: 'bob@example.com',
    })
    for (const value of [state, nonce, code_challenge]) expect(value).toMatch(/^[\w-]{43}$/)
    expect(new Set([handle, state, nonce, code_challenge, 'client-state']).size).toBe(5)
  })

  it('reaches the client as temporarily_unavailable while the IdP cannot be discovered', async () => {
    const gateway = createGateway()
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const answer = answerOf(await approve(browser, page))
    expect(answer).toMatchObject({
      error: 'temporarily_unavailable',
      state: 'client-state',
      iss: ISSUER,
    })
  })

  it('that cannot be stored reaches the client too, since the handle is spent', async () => {
    let isDown = false
    const outage = () => new OutageError('store', 'redis at 10.0.0.7 is away')
    const gateway = createGateway({
      idp,
      store: memory => failing(memory, 'authorizations', 'park', () => isDown, outage),
    })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    isDown = true
    const answer = answerOf(await approve(browser, page))
    expect(answer).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'try again in a moment',
      state: 'client-state',
      iss: ISSUER,
    })
  })
})

describe('the consent form is bound to its browser and to one use (known failures 2 and 4)', () => {
  it('refuses a browser without the cookie of the page', async () => {
    const gateway = createGateway({ idp })
    const { page } = await openConsent(gateway, await register(gateway))
    const response = await decide(gateway, { consent: handleOf(page), decision: 'approve' })
    await expectPage(response, NO_COOKIE)
  })

  it("refuses another browser's cookie, even under the right name", async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const { page, browser } = await openConsent(gateway, client)
    const other = await openConsent(gateway, client)
    const [name] = browser.cookies.names(ISSUER)
    const [otherName] = other.browser.cookies.names(ISSUER)
    const form = { consent: handleOf(page), decision: 'approve' }
    const cookie = `${name}=${other.browser.cookies.get(ISSUER, otherName ?? '')}`
    await expectPage(await decide(gateway, form, { cookie }), NO_COOKIE)
  })

  it.each(['https://evil.example', 'null', 'http://mcp.example.com', `${ISSUER}.evil.example`])(
    'refuses a form from origin %s, and does not spend the handle',
    async origin => {
      const gateway = createGateway({ idp })
      const { browser, page } = await openConsent(gateway, await register(gateway))
      const form = { consent: handleOf(page), decision: 'approve' }
      const cookie = cookieOf(gateway, browser)
      const refused = await decide(gateway, form, { cookie, origin })
      await expectPage(refused, 'This request cannot be understood')
      expect((await decide(gateway, form, { cookie, origin: ISSUER })).status).toBe(303)
    },
  )

  it('refuses a handle that was used, whatever was decided', async () => {
    const gateway = createGateway({ idp })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const cookie = cookieOf(gateway, browser)
    const form = { consent: handleOf(page), decision: 'deny' }
    expect((await decide(gateway, form, { cookie })).status).toBe(303)
    const again = await decide(gateway, { ...form, decision: 'approve' }, { cookie })
    await expectPage(again, EXPIRED)
  })

  it('refuses a handle that has expired', async () => {
    const gateway = createGateway({ idp, lifetimes: { loginSeconds: 600 } })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    gateway.clock.advance(600)
    const headers = { cookie: cookieOf(gateway, browser) }
    const form = { consent: handleOf(page), decision: 'approve' }
    await expectPage(await decide(gateway, form, headers), EXPIRED)
  })

  it.each([{}, { consent: '' }, { consent: UNKNOWN }, { consent: 'x'.repeat(10_000) }])(
    'refuses a handle that was never given out',
    async form => {
      await expectPage(await decide(createGateway(), { ...form, decision: 'approve' }), EXPIRED)
    },
  )

  it('refuses the upstream state as a handle: each step has its own', async () => {
    const gateway = createGateway({ idp })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const form = { consent: handleOf(page), decision: 'approve' }
    const response = await decide(gateway, form, { cookie: cookieOf(gateway, browser) })
    const location = new URL(response.headers.get('location') ?? '')
    const cookie = response.headers
      .getSetCookie()
      .map(line => line.split(';')[0])
      .join('; ')
    const state = location.searchParams.get('state') ?? ''
    await expectPage(await decide(gateway, { ...form, consent: state }, { cookie }), EXPIRED)
  })

  it('two tabs of one browser both get through, in any order (known failures 4 and 32)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const browser = createBrowser(gateway)
    const first = await openConsent(gateway, client, { state: 'first' }, browser)
    const second = await openConsent(gateway, client, { state: 'second' }, browser)
    const answers = [
      answerOf(await approve(browser, first.page)),
      answerOf(await approve(browser, second.page)),
    ]
    expect(answers.map(({ state }) => state)).toEqual(['first', 'second'])
    expect(new Set(answers.map(({ code }) => code)).size).toBe(2)
    expect(browser.cookies.names(ISSUER)).toEqual([])
  })

  it.each(['{"consent":"x"}', ''])('refuses the body %j, which is no form', async body => {
    const headers = { 'content-type': 'application/json' }
    const response = await createGateway().request('/consent', { method: 'POST', headers, body })
    await expectPage(response, 'This request cannot be understood')
  })
})

describe('the cookies of a flow', () => {
  const https = '; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax'
  it.each([
    [ISSUER, '__Host-', https],
    [LOOPBACK_ISSUER, '', https.replace(' Secure;', '')],
  ])('of %s', async (issuer, prefix, attributes) => {
    const gateway = createGateway({ idp, issuer })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    const [onPage, ...further] = page.headers.getSetCookie()
    expect(further).toEqual([])
    expect(onPage).toMatch(new RegExp(`^${prefix}consent-[\\w-]{16}=[\\w-]{43}${attributes}$`))
    // The cookie that the callback needs is not there before approval.
    expect(page.headers.getSetCookie().join()).not.toContain('login-')

    const cookie = cookieOf(gateway, browser)
    const form = { consent: handleOf(page), decision: 'approve' }
    const response = await decide(gateway, form, { cookie })
    const [taken, bound, ...others] = response.headers.getSetCookie()
    expect(others).toEqual([])
    expect(taken).toMatch(new RegExp(`^${prefix}consent-[\\w-]{16}=; Max-Age=0`))
    expect(bound).toMatch(new RegExp(`^${prefix}login-[\\w-]{16}=[\\w-]{43}${attributes}$`))
  })

  it('hold neither the handle nor the state', async () => {
    const gateway = createGateway({ idp })
    const { browser, page } = await openConsent(gateway, await register(gateway))
    expect(page.headers.getSetCookie().join()).not.toContain(handleOf(page))
    const form = { consent: handleOf(page), decision: 'approve' }
    const response = await decide(gateway, form, { cookie: cookieOf(gateway, browser) })
    const state = new URL(response.headers.get('location') ?? '').searchParams.get('state') ?? '?'
    expect(response.headers.getSetCookie().join()).not.toContain(state)
  })
})
