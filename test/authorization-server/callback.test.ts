import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { SCRIPTED_TOKENS, type ScriptedIdp, startScriptedIdp } from '../support/scripted-idp.ts'
import {
  answerOf,
  approve,
  codeRequest,
  openConsent,
  outcomeOf,
  REDIRECT_URI,
  reachCallback,
  register,
  signIn,
  tokensFor,
  UNKNOWN,
} from './sign-in.ts'
import { createGateway, failing, type Gateway, ISSUER, startIdp } from './support.ts'

let idp: OidcProvider
let scripted: ScriptedIdp

beforeAll(async () => {
  idp = await startIdp()
  scripted = await startScriptedIdp()
})
afterEach(() => {
  idp.clearFaults()
  scripted.answerCallback({})
  scripted.answerToken(async request => tokens(await scripted.signIdToken(request)))
})
afterAll(() => Promise.all([idp.close(), scripted.close()]))

const EXPIRED = 'This sign-in has expired'
const NO_COOKIE = 'This browser did not start the sign-in'

function tokens(idToken: string): Record<string, unknown> {
  return { ...SCRIPTED_TOKENS, id_token: idToken }
}

function comeBack(gateway: Gateway, callback: URL, cookie?: string): Promise<Response> {
  const headers = cookie === undefined ? {} : { cookie }
  return gateway.request(callback.pathname + callback.search, { headers })
}

async function expectPage(response: Response, title: string): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('location')).toBeNull()
  expect(await response.text()).toContain(title)
}

describe('the way back from the IdP', () => {
  it('ends at the client with a code, state and iss, and that code gets tokens (RFC 6749 section 4.1.2)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const { browser, page } = await openConsent(gateway, client)
    const { code = '', ...rest } = answerOf(await approve(browser, page))
    expect(rest).toEqual({ state: 'client-state', iss: ISSUER })
    expect(code).toMatch(/^[\w-]{43}$/)
    const { access_token } = await tokensFor(gateway, codeRequest(client, code))
    const claims = await gateway.server.accessTokens.verify(access_token)
    const grant = await gateway.store.grants.find(claims?.grantId ?? '')
    expect(grant?.identity).toMatchObject({ issuer: idp.issuer, subject: 'alice', name: 'Alice' })
  })

  it('signs in who the client hints at', async () => {
    const gateway = createGateway({ idp })
    const { access_token } = await signIn(gateway, await register(gateway), { login_hint: 'bob' })
    expect((await gateway.server.accessTokens.verify(access_token))?.subject).toBe('bob')
  })

  it('takes the cookie of the flow away', async () => {
    const gateway = createGateway({ idp })
    const { callback, cookie } = await reachCallback(gateway, await register(gateway))
    const response = await comeBack(gateway, callback, cookie)
    expect(response.status).toBe(303)
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-login-[\w-]{16}=; Max-Age=0;/),
    ])
  })
})

describe('the callback is bound to the browser that approved (known failure 2)', () => {
  it('refuses a browser without the cookie, and spends the flow', async () => {
    const gateway = createGateway({ idp })
    const { callback, cookie } = await reachCallback(gateway, await register(gateway))
    await expectPage(await comeBack(gateway, callback), NO_COOKIE)
    await expectPage(await comeBack(gateway, callback, cookie), EXPIRED)
  })

  it("refuses another flow's cookie, even under the right name", async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const victim = await reachCallback(gateway, client)
    const attacker = await reachCallback(gateway, client)
    const [name] = victim.cookie.split('=')
    const [, value] = attacker.cookie.split('=')
    await expectPage(await comeBack(gateway, victim.callback, `${name}=${value}`), NO_COOKIE)
  })
})

describe('the upstream state', () => {
  it('counts once', async () => {
    const gateway = createGateway({ idp })
    const { callback, cookie } = await reachCallback(gateway, await register(gateway))
    expect((await comeBack(gateway, callback, cookie)).status).toBe(303)
    await expectPage(await comeBack(gateway, callback, cookie), EXPIRED)
  })

  it('expires', async () => {
    const gateway = createGateway({ idp })
    const { callback, cookie } = await reachCallback(gateway, await register(gateway))
    gateway.clock.advance(600)
    await expectPage(await comeBack(gateway, callback, cookie), EXPIRED)
  })

  it.each(['', '?code=x', `?code=x&state=${UNKNOWN}`, '?error=access_denied', '?state='])(
    'is required, and known: %j',
    async query => {
      await expectPage(await createGateway().request(`/callback${query}`), EXPIRED)
    },
  )

  it('is not a consent handle: each step has its own', async () => {
    const gateway = createGateway({ idp })
    const { page, browser } = await openConsent(gateway, await register(gateway))
    const handle = /name="consent" value="([\w-]{43})"/.exec(page.html)?.[1]
    const cookie = browser.cookies.headerFor(new URL(ISSUER))
    const callback = new URL(`${ISSUER}/callback?code=x&state=${handle}`)
    await expectPage(await comeBack(gateway, callback, cookie), EXPIRED)
  })

  it('twice is refused', async () => {
    const response = await createGateway().request('/callback?state=a&state=b')
    await expectPage(response, 'This request cannot be understood')
  })
})

describe("the IdP's refusals and failures (RFC 6749 section 4.1.2.1; known failure 24)", () => {
  it.each([
    ['access_denied', 'access_denied'],
    ['login_required', 'access_denied'],
    ['invalid_scope', 'access_denied'],
    ['made_up <script>', 'access_denied'],
    ['server_error', 'temporarily_unavailable'],
    ['temporarily_unavailable', 'temporarily_unavailable'],
  ])('%s is %s to the client, in our words', async (error, expected) => {
    const words = 'the words of the IdP <script>'
    scripted.answerCallback({ error, error_description: words, code: undefined })
    const gateway = createGateway({ idp: scripted })
    const { error_description, ...answer } = await outcomeOf(gateway)
    expect(answer).toEqual({ error: expected, state: 'client-state', iss: ISSUER })
    expect(error_description).toMatch(/^the sign-in service /)
    expect(gateway.log()).toContain(words)
  })

  it.each([
    [
      'does not listen',
      () => idp.setFault({ endpoint: 'token', kind: 'reset' }),
      'temporarily_unavailable',
    ],
    [
      'answers 503',
      () => idp.setFault({ endpoint: 'token', kind: 'status', status: 503 }),
      'temporarily_unavailable',
    ],
    [
      'answers with a page',
      () => idp.setFault({ endpoint: 'token', kind: 'html' }),
      'temporarily_unavailable',
    ],
    [
      'refuses the code',
      () => idp.setFault({ endpoint: 'token', kind: 'error', error: 'invalid_grant' }),
      'server_error',
    ],
    [
      'refuses the gateway',
      () =>
        idp.setFault({ endpoint: 'token', kind: 'error', error: 'invalid_client', status: 401 }),
      'server_error',
    ],
  ])('a token endpoint that %s', async (_what, breakIt, error) => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const { callback, cookie } = await reachCallback(gateway, client)
    breakIt()
    const response = await comeBack(gateway, callback, cookie)
    const location = new URL(response.headers.get('location') ?? '')
    expect(location.origin + location.pathname).toBe(REDIRECT_URI)
    const answer = Object.fromEntries(location.searchParams)
    expect(answer).toMatchObject({ error, state: 'client-state', iss: ISSUER })
  })

  it.each([
    ['open', 'grants'],
    ['issueCode', 'authorizations'],
  ] as const)(
    'a store that does not take the grant (%s) gives no code, since the write decides (known failure 39)',
    async (operation, room) => {
      const outage = () => new OutageError('store', 'redis at 10.0.0.7 is away')
      const gateway = createGateway({
        idp,
        store: memory => failing(memory, room, operation, () => true, outage),
      })
      expect(await outcomeOf(gateway)).toEqual({
        error: 'temporarily_unavailable',
        error_description: 'try again in a moment',
        state: 'client-state',
        iss: ISSUER,
      })
    },
  )

  it('no code, token, state or cookie of the way is in the log (known failure 24)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const { callback, cookie } = await reachCallback(gateway, client)
    const response = await comeBack(gateway, callback, cookie)
    const code = new URL(response.headers.get('location') ?? '').searchParams.get('code') ?? ''
    const issued = await tokensFor(gateway, codeRequest(client, code))
    const upstream = (await gateway.store.grants.listBySubject(idp.issuer, 'alice'))[0]
    const secrets = [
      code,
      issued.access_token,
      issued.refresh_token,
      cookie.split('=')[1],
      ...callback.searchParams.values(),
      upstream?.upstreamTokens.accessToken,
      upstream?.upstreamTokens.refreshToken,
    ].filter(value => value !== idp.issuer)
    expect(gateway.log()).toContain('"event":"login"')
    for (const secret of secrets) {
      expect(secret?.length).toBeGreaterThan(20)
      expect(gateway.log()).not.toContain(secret)
    }
  })
})
