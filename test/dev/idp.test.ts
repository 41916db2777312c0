import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oidc from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DevIdp, startDevIdp } from '../../src/dev/idp.ts'
import { IDP_RESOURCE } from '../../src/dev/idp-configuration.ts'
import { createLogger } from '../../src/observability/log.ts'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { createRelyingParty, type RelyingParty } from '../support/openid-login.ts'

const CLIENT = {
  id: 'gateway',
  secret: 'k7-secret_of.the~gateway',
  redirectUri: 'http://127.0.0.1:9/callback',
}

let idp: DevIdp
let party: RelyingParty
const lines: string[] = []
const written = [
  ...(['log', 'info', 'warn', 'error'] as const).map(name => vi.spyOn(console, name)),
]

beforeAll(async () => {
  const logger = createLogger('info', { write: line => void lines.push(line) })
  const redirectUris = [CLIENT.redirectUri, 'http://127.0.0.1:10/callback']
  idp = await startDevIdp({ port: 0, client: { ...CLIENT, redirectUris }, logger })
  party = await createRelyingParty(idp.issuer, CLIENT)
})

afterEach(() => {
  for (const spy of written) expect(spy).not.toHaveBeenCalled()
})

afterAll(async () => {
  await idp.close()
})

const createAgent = () => createBrowserAgent({ stopAt: CLIENT.redirectUri })

async function signIn(user: string, parameters: Record<string, string> = {}) {
  const agent = createAgent()
  const login = await party.begin(agent, parameters)
  const back = await agent.submit(login.page, { button: user })
  return { agent, tokens: await login.finish(back) }
}

describe('its front page', () => {
  it('says what it is to somebody who opens the address of the banner', async () => {
    const page = await createAgent().open(`${idp.issuer}/`)
    expect(page.status).toBe(200)
    expect(page.html).toContain('There is nothing to do here')
  })
})

describe('signing in', () => {
  it('asks who to be, says that this is for development, and needs neither script nor password', async () => {
    const { page } = await party.begin(createAgent())
    expect(page.status).toBe(200)
    expect(page.html).toContain('Development sign-in')
    expect(page.html).toContain('Never for production')
    for (const user of ['alice', 'bob', 'carol']) expect(page.html).toContain(`value="${user}"`)
    expect(page.html).not.toMatch(/<script|<input|password"/)
    expect(page.headers.get('content-security-policy')).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    )
  })

  it('gives an ID token with the claims of the scopes', async () => {
    const { tokens } = await signIn('alice')
    expect(tokens.claims()).toMatchObject({
      sub: 'alice',
      name: 'Alice',
      email: 'alice@example.com',
      groups: ['staff', 'admins'],
    })
  })

  it('gives an access token that says, whatever the scope, who the user is', async () => {
    const { tokens } = await signIn('bob', { scope: 'openid' })
    const keys = createRemoteJWKSet(new URL(`${idp.issuer}/jwks`))
    const { payload } = await jwtVerify(tokens.access_token, keys, {
      issuer: idp.issuer,
      audience: IDP_RESOURCE,
      typ: 'at+jwt',
    })
    expect(payload).toMatchObject({
      sub: 'bob',
      name: 'Bob',
      email: 'bob@example.com',
      groups: ['staff'],
    })
    expect(tokens.expires_in).toBe(300)
  })

  it('gives a refresh token for offline_access and none without it', async () => {
    expect((await signIn('alice')).tokens.refresh_token).toBeTypeOf('string')
    expect((await signIn('alice', { scope: 'openid' })).tokens.refresh_token).toBeUndefined()
  })

  it('remembers the browser: the next login passes without the page', async () => {
    const { agent } = await signIn('carol')
    const again = await party.begin(agent)
    expect(again.page.isStop).toBe(true)
    expect((await again.finish(again.page)).claims()?.sub).toBe('carol')
  })

  it.each(['login', 'select_account'])('shows the page again for prompt=%s', async prompt => {
    const { agent } = await signIn('carol')
    const again = await party.begin(agent, { prompt })
    expect(again.page.html).toContain('Development sign-in')
    const back = await agent.submit(again.page, { button: 'Bob' })
    expect((await again.finish(back)).claims()?.sub).toBe('bob')
  })

  it('answers login_required to prompt=none where nobody is signed in', async () => {
    const { page } = await party.begin(createAgent(), { prompt: 'none', scope: 'openid' })
    expect(new URL(page.url).searchParams.get('error')).toBe('login_required')
  })

  it('accepts the secret in the body and as HTTP Basic', async () => {
    const basic = await createRelyingParty(idp.issuer, CLIENT, oidc.ClientSecretBasic)
    const agent = createAgent()
    const login = await basic.begin(agent)
    const back = await agent.submit(login.page, { button: 'Alice' })
    expect((await login.finish(back)).claims()?.sub).toBe('alice')
  })
})

describe('refusals', () => {
  it.each([
    ['an unknown client', { client_id: 'no<body>' }],
    ['an unknown redirect URI', { redirect_uri: 'https://evil.example/"><b>' }],
  ])('shows a page, escaped and without a stack, for %s', async (_, parameters) => {
    const { page } = await party.begin(createAgent(), parameters)
    expect(page.isStop).toBe(false)
    expect(page.status).toBe(400)
    expect(page.html).toContain('Sign-in failed')
    expect(page.html).not.toMatch(/<b>|<body>"|at .*\.js|node_modules/)
  })

  it('refuses a request without PKCE', async () => {
    const { page } = await party.begin(createAgent(), {
      code_challenge: '',
      code_challenge_method: '',
    })
    expect(new URL(page.url).searchParams.get('error')).toBe('invalid_request')
  })

  it('refuses a user that it does not know', async () => {
    const agent = createAgent()
    const { page } = await party.begin(agent)
    const refused = await agent.submit(page, { button: 'Alice', fields: { user: 'mallory' } })
    expect(refused.status).toBe(400)
    expect(refused.html).toContain('No such user')
  })

  it('refuses a sign-in from another browser than it was begun in', async () => {
    const { page } = await party.begin(createAgent())
    const refused = await createAgent().submit(page, { button: 'Alice' })
    expect(refused.status).toBe(400)
    expect(refused.html).toContain('Sign-in failed')
  })

  it('refuses a resource indicator: it is not how this IdP is asked', async () => {
    const { page } = await party.begin(createAgent(), { resource: 'https://mcp.example.com/crm' })
    expect(new URL(page.url).searchParams.get('error')).toBe('invalid_target')
  })
})

describe('refreshing', () => {
  it('rotates the refresh token and keeps the claims', async () => {
    const { tokens } = await signIn('alice')
    const fresh = await oidc.refreshTokenGrant(party.config, tokens.refresh_token!)
    expect(fresh.refresh_token).not.toBe(tokens.refresh_token)
    expect(fresh.access_token).not.toBe(tokens.access_token)
    expect(fresh.claims()?.groups).toEqual(['staff', 'admins'])
  })

  it('revokes the family when a refresh token is used again', async () => {
    const { tokens } = await signIn('alice')
    const fresh = await oidc.refreshTokenGrant(party.config, tokens.refresh_token!)
    const refused = { error: 'invalid_grant' }
    await expect(oidc.refreshTokenGrant(party.config, tokens.refresh_token!)).rejects.toMatchObject(
      refused,
    )
    await expect(oidc.refreshTokenGrant(party.config, fresh.refresh_token!)).rejects.toMatchObject(
      refused,
    )
  })

  it('lets one of two uses at once pass, and the family is revoked all the same', async () => {
    const { tokens } = await signIn('alice')
    const both = await Promise.allSettled(
      [1, 2].map(() => oidc.refreshTokenGrant(party.config, tokens.refresh_token!)),
    )
    const passed = both.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
    expect(passed).toHaveLength(1)
    await expect(
      oidc.refreshTokenGrant(party.config, passed[0]!.refresh_token!),
    ).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  it('leaves the other logins of the same browser alone', async () => {
    const { agent, tokens } = await signIn('alice')
    const other = await party.begin(agent)
    const otherTokens = await other.finish(other.page)
    await oidc.tokenRevocation(party.config, tokens.refresh_token!)
    await expect(oidc.refreshTokenGrant(party.config, tokens.refresh_token!)).rejects.toMatchObject(
      { error: 'invalid_grant' },
    )
    const fresh = await oidc.refreshTokenGrant(party.config, otherTokens.refresh_token!)
    expect(fresh.claims()?.sub).toBe('alice')
  })
})

it('logs nothing that goes as it should', () => {
  expect(lines).toEqual([])
})
