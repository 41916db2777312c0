import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { SCRIPTED_TOKENS, type ScriptedIdp, startScriptedIdp } from '../support/scripted-idp.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  challengeOf,
  codeRequest,
  errorOf,
  obtainCode,
  refreshRequest,
  register,
  signIn,
  tokensFor,
  UNKNOWN,
  VERIFIER,
} from './sign-in.ts'
import { CRM, createGateway, ISSUER, startIdp } from './support.ts'

let idp: OidcProvider
let scripted: ScriptedIdp

beforeAll(async () => {
  idp = await startIdp()
  scripted = await startScriptedIdp()
})
afterAll(() => Promise.all([idp.close(), scripted.close()]))

describe('redeeming a code (RFC 6749 sections 4.1.3 and 5.1)', () => {
  it('gives exactly the fields of the standard, and may not be stored', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client, { scope: 'crm.read openid' })
    const response = await gateway.post('/token', codeRequest(client, code))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('pragma')).toBe('no-cache')
    expect(await response.json()).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^rt_[\w-]{22}\.0\.[\w-]{8}\.[\w-]{43}$/),
      scope: 'crm.read',
    })
  })

  it('says how long the access token lives, in seconds, and that is what the token says (known failures 18 and 40)', async () => {
    const gateway = createGateway({ idp, lifetimes: { accessTokenSeconds: 300 } })
    const { access_token, expires_in } = await signIn(gateway, await register(gateway))
    expect(expires_in).toBe(300)
    const claims = await gateway.server.accessTokens.verify(access_token)
    expect(claims?.expiresAt).toBe(gateway.clock.now() + 300)
  })

  it('gives an access token that does not outlive its grant (known failure 18)', async () => {
    const gateway = createGateway({ idp, lifetimes: { absoluteSeconds: 120, idleSeconds: 100 } })
    const { access_token, expires_in } = await signIn(gateway, await register(gateway))
    expect(expires_in).toBe(100)
    const { grantId = '' } = (await gateway.server.accessTokens.verify(access_token)) ?? {}
    gateway.clock.advance(99)
    expect(await gateway.store.grants.find(grantId)).toBeDefined()
    expect(await gateway.server.accessTokens.verify(access_token)).toBeDefined()
    gateway.clock.advance(1)
    expect(await gateway.store.grants.find(grantId)).toBeUndefined()
    expect(await gateway.server.accessTokens.verify(access_token)).toBeUndefined()
  })

  it("without an upstream refresh token, gives tokens that end with the upstream's access token", async () => {
    scripted.answerToken(async request => {
      const { refresh_token, ...rest } = SCRIPTED_TOKENS
      return { ...rest, id_token: await scripted.signIdToken(request) }
    })
    const gateway = createGateway({ idp: scripted })
    const client = await register(gateway)
    const tokens = await signIn(gateway, client)
    expect(tokens.expires_in).toBe(SCRIPTED_TOKENS.expires_in)
    gateway.clock.advance(SCRIPTED_TOKENS.expires_in)
    const response = await gateway.post('/token', refreshRequest(client, tokens.refresh_token))
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toBe('invalid_grant')
  })

  it.each([CRM, 'HTTPS://MCP.example.com:443/crm/mcp', `${CRM}/`, undefined])(
    'takes the resource %s for that of the code (RFC 8707)',
    async resource => {
      const gateway = createGateway({ idp, paths: ['/crm/mcp', '/wiki/mcp'] })
      const client = await register(gateway)
      const code = await obtainCode(gateway, client, { resource: CRM })
      const { access_token } = await tokensFor(gateway, codeRequest(client, code, { resource }))
      expect((await gateway.server.accessTokens.verify(access_token))?.resource).toBe(CRM)
    },
  )

  it.each(['find', 'activate'] as const)(
    'gives nothing where the grant is revoked just before the step %s: the write decides',
    async step => {
      let isComing = false
      const gateway = createGateway({
        idp,
        store: memory => {
          const revokeFirst = async (grantId: string): Promise<string> => {
            if (isComing) await memory.grants.revoke(grantId)
            return grantId
          }
          const { find, activate } = memory.grants
          const steps = {
            find: async (grantId: string) => find(await revokeFirst(grantId)),
            activate: async (...[grantId, ...rest]: Parameters<typeof activate>) =>
              activate(await revokeFirst(grantId), ...rest),
          }
          return { ...memory, grants: { ...memory.grants, [step]: steps[step] } }
        },
      })
      const client = await register(gateway)
      const code = await obtainCode(gateway, client)
      isComing = true
      const response = await gateway.post('/token', codeRequest(client, code))
      expect(response.status).toBe(400)
      expect(await errorOf(response)).toBe('invalid_grant')
    },
  )

  it('needs no redirect_uri where the request had none, and a right one where there is one (section 4.1.3)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const implied = { redirect_uri: undefined }
    const redeem = async (redirect_uri: string | undefined) => {
      const code = await obtainCode(gateway, client, implied)
      return gateway.post('/token', codeRequest(client, code, { redirect_uri }))
    }
    expect((await redeem(undefined)).status).toBe(200)
    expect((await redeem(client.redirect_uris[0])).status).toBe(200)
    expect((await redeem('https://evil.example/cb')).status).toBe(400)
  })
})

describe('PKCE verifiers (RFC 7636 section 4.1)', () => {
  it.each([
    ['43 characters', VERIFIER.padEnd(43, 'x').slice(0, 43)],
    ['128 characters', 'Aa0-._~'.repeat(19).slice(0, 128)],
    ['tildes and dots only', '~.'.repeat(32)],
  ])('of %s are taken', async (_what, verifier) => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client, { code_challenge: challengeOf(verifier) })
    await tokensFor(gateway, codeRequest(client, code, { code_verifier: verifier }))
  })

  it.each([
    ['42 characters', 'x'.repeat(42)],
    ['129 characters', 'x'.repeat(129)],
    ['another character', `${'x'.repeat(43)}+`],
  ])('of %s are refused, though they match', async (_what, verifier) => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client, { code_challenge: challengeOf(verifier) })
    const response = await gateway.post(
      '/token',
      codeRequest(client, code, { code_verifier: verifier }),
    )
    expect(await errorOf(response)).toBe('invalid_grant')
  })
})

describe('a request that does not match its code burns it and ends its grant (RFC 9700 section 2.1)', () => {
  it.each([
    ['a wrong verifier', { code_verifier: 'x'.repeat(43) }, 'invalid_grant'],
    [
      'the code challenge for a verifier',
      { code_verifier: challengeOf(VERIFIER) },
      'invalid_grant',
    ],
    ['no verifier (known failure 7)', { code_verifier: undefined }, 'invalid_grant'],
    ['an empty verifier (known failure 7)', { code_verifier: '' }, 'invalid_grant'],
    ['another redirect URI', { redirect_uri: 'https://evil.example/cb' }, 'invalid_grant'],
    [
      'another port of the redirect URI (known failure 8)',
      { redirect_uri: 'http://127.0.0.1:9/callback' },
      'invalid_grant',
    ],
    ['no redirect URI (known failure 8)', { redirect_uri: undefined }, 'invalid_grant'],
    ['another resource', { resource: `${ISSUER}/wiki/mcp` }, 'invalid_target'],
  ])('%s', async (_what, change, error) => {
    const gateway = createGateway({ idp, paths: ['/crm/mcp', '/wiki/mcp'] })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client, { resource: CRM })
    const before = idp.counts.revocation
    const response = await gateway.post('/token', codeRequest(client, code, change))
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toBe(error)
    const again = await gateway.post('/token', codeRequest(client, code))
    expect(await errorOf(again)).toBe('invalid_grant')
    expect(await gateway.store.grants.listBySubject(idp.issuer, 'alice')).toEqual([])
    await waitFor(() => idp.counts.revocation > before, { what: 'the revocation at the IdP' })
  })

  it('a redirect URI that was registered too, but is not the one of the request (known failure 8)', async () => {
    const gateway = createGateway({ idp })
    const redirect_uris = ['http://127.0.0.1:33418/callback', 'http://localhost:1/other']
    const client = await register(gateway, { redirect_uris })
    const code = await obtainCode(gateway, client)
    const change = { redirect_uri: redirect_uris[1] }
    const response = await gateway.post('/token', codeRequest(client, code, change))
    expect(await errorOf(response)).toBe('invalid_grant')
  })

  it('another client', async () => {
    const gateway = createGateway({ idp })
    const [owner, thief] = [await register(gateway), await register(gateway)]
    const code = await obtainCode(gateway, owner)
    expect(await errorOf(await gateway.post('/token', codeRequest(thief, code)))).toBe(
      'invalid_grant',
    )
    expect(await errorOf(await gateway.post('/token', codeRequest(owner, code)))).toBe(
      'invalid_grant',
    )
  })
})

describe('a code counts once (RFC 6749 section 4.1.2)', () => {
  it('answers a replayed code with invalid_grant, ends its grant, and revokes at the IdP (known failure 12)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client)
    const tokens = await tokensFor(gateway, codeRequest(client, code))
    const before = idp.counts.revocation
    const replay = await gateway.post('/token', codeRequest(client, code))
    expect(replay.status).toBe(400)
    expect(await errorOf(replay)).toBe('invalid_grant')
    const refresh = await gateway.post('/token', refreshRequest(client, tokens.refresh_token))
    expect(await errorOf(refresh)).toBe('invalid_grant')
    const { grantId = '' } = (await gateway.server.accessTokens.verify(tokens.access_token)) ?? {}
    expect(await gateway.server.tokens.resolve(grantId, 'test')).toMatchObject({ outcome: 'gone' })
    await waitFor(() => idp.counts.revocation > before, { what: 'the revocation at the IdP' })
  })

  it('of fifty at once at most one gets tokens, and then they are worth nothing (known failure 12)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client)
    const form = codeRequest(client, code)
    const responses = await Promise.all(
      Array.from({ length: 50 }, () => gateway.post('/token', form)),
    )
    expect(responses.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect(await gateway.store.grants.listBySubject(idp.issuer, 'alice')).toEqual([])
  })

  it('a prefix, an extension or a guess of a code does nothing to anybody (known failure 13)', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    const code = await obtainCode(gateway, client)
    for (const guess of [code.slice(0, -1), code.slice(0, 8), `${code}x`, UNKNOWN, `${code} `]) {
      const response = await gateway.post('/token', codeRequest(client, guess))
      expect(await errorOf(response)).toBe('invalid_grant')
    }
    const tokens = await tokensFor(gateway, codeRequest(client, code))
    const spent = await gateway.post('/token', codeRequest(client, code.slice(0, -1)))
    expect(await errorOf(spent)).toBe('invalid_grant')
    await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
  })

  it('and for a minute', async () => {
    const gateway = createGateway({ idp, lifetimes: { authorizationCodeSeconds: 60 } })
    const client = await register(gateway)
    const [late, intime] = [await obtainCode(gateway, client), await obtainCode(gateway, client)]
    gateway.clock.advance(59)
    await tokensFor(gateway, codeRequest(client, intime))
    gateway.clock.advance(1)
    const response = await gateway.post('/token', codeRequest(client, late))
    expect(await errorOf(response)).toBe('invalid_grant')
  })

  it('a grant whose code nobody redeems ends by itself', async () => {
    const gateway = createGateway({ idp })
    await obtainCode(gateway, await register(gateway))
    expect(await gateway.store.grants.listBySubject(idp.issuer, 'alice')).toHaveLength(1)
    gateway.clock.advance(121)
    expect(await gateway.store.grants.listBySubject(idp.issuer, 'alice')).toEqual([])
  })

  it.each(['access_token', 'refresh_token'] as const)(
    'an %s is no code (known failure 14)',
    async name => {
      const gateway = createGateway({ idp })
      const client = await register(gateway)
      const tokens = await signIn(gateway, client)
      const response = await gateway.post('/token', codeRequest(client, tokens[name]))
      expect(await errorOf(response)).toBe('invalid_grant')
      await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    },
  )
})
