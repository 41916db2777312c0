import * as oidc from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createBrowserAgent } from './browser-agent.ts'
import { type OidcProvider, startOidcProvider } from './oidc-provider.ts'
import { createRelyingParty, type RelyingParty } from './openid-login.ts'
import { waitFor } from './wait-for.ts'

const REDIRECT_URI = 'http://127.0.0.1:9/callback'

let idp: OidcProvider
let party: RelyingParty

beforeAll(async () => {
  idp = await startOidcProvider({ redirectUris: [REDIRECT_URI] })
  party = await connect()
})

afterEach(() => idp.clearFaults())

afterAll(() => idp.close())

function connect() {
  const client = { id: idp.clientId, secret: idp.clientSecret, redirectUri: REDIRECT_URI }
  return createRelyingParty(idp.issuer, client)
}

async function signIn(parameters: Record<string, string> = {}) {
  const login = await party.begin(createBrowserAgent({ stopAt: REDIRECT_URI }), parameters)
  return login.finish(login.page)
}

const refresh = (tokens: { refresh_token?: string }) =>
  oidc.refreshTokenGrant(party.config, tokens.refresh_token!)

/** What the counts of refreshes have grown by since. */
function countRefreshes() {
  const before = structuredClone(idp.counts.refresh)
  return () => ({
    requests: idp.counts.refresh.requests - before.requests,
    results: Object.fromEntries(
      Object.entries(idp.counts.refresh.results)
        .map(([result, count]) => [result, count - (before.results[result] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    ),
  })
}

describe('logins', () => {
  it('signs in by itself, and as the user of the login hint', async () => {
    expect((await signIn()).claims()?.sub).toBe('alice')
    expect((await signIn({ login_hint: 'bob@example.com' })).claims()?.sub).toBe('bob')
  })

  it('counts authorizations and codes by their result', async () => {
    const before = structuredClone(idp.counts)
    await signIn()
    expect(idp.counts.authorize).toBe(before.authorize + 1)
    expect(idp.counts.code.results.ok).toBe((before.code.results.ok ?? 0) + 1)
    expect(idp.counts.refresh).toEqual(before.refresh)
  })

  it('signs with a new key after a rotation, and still refreshes what was granted before', async () => {
    const tokens = await signIn()
    const kidOf = (token: string) => JSON.parse(atob(token.split('.')[0]!)).kid
    await idp.rotateKeys()
    party = await connect()
    const fresh = await refresh(tokens)
    expect(kidOf(fresh.access_token)).not.toBe(kidOf(tokens.access_token))
  })

  it('gives opaque access tokens, and the same refresh token, where it is told to', async () => {
    const other = await startOidcProvider({
      redirectUris: [REDIRECT_URI],
      jwtAccessTokens: false,
      rotation: false,
    })
    const client = { id: other.clientId, secret: other.clientSecret, redirectUri: REDIRECT_URI }
    const otherParty = await createRelyingParty(other.issuer, client)
    const login = await otherParty.begin(createBrowserAgent({ stopAt: REDIRECT_URI }))
    const tokens = await login.finish(login.page)
    expect(tokens.access_token).not.toContain('.')
    const fresh = await oidc.refreshTokenGrant(otherParty.config, tokens.refresh_token!)
    expect(fresh.refresh_token).toBe(tokens.refresh_token)
    await other.close()
  })
})

describe('control', () => {
  it('refuses the refresh of a user that was revoked, and of nobody else', async () => {
    const [alice, bob] = [await signIn(), await signIn({ login_hint: 'bob' })]
    idp.revokeUser('alice')
    await expect(refresh(alice)).rejects.toMatchObject({ error: 'invalid_grant' })
    expect((await refresh(bob)).claims()?.sub).toBe('bob')
  })

  it('refuses connections while it is down, and knows its grants when it is back', async () => {
    const tokens = await signIn()
    await idp.goDown()
    await expect(refresh(tokens)).rejects.toThrow()
    await idp.comeBack()
    expect((await refresh(tokens)).claims()?.sub).toBe('alice')
  })
})

describe('faults', () => {
  it('answers with the status, as often as it is told to', async () => {
    const tokens = await signIn()
    const counted = countRefreshes()
    idp.setFault({ kind: 'status', status: 429, retryAfterSeconds: 7, endpoint: 'token', times: 1 })
    const response = await fetch(`${idp.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token' }),
    })
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7'])
    await refresh(tokens)
    expect(counted()).toEqual({ requests: 2, results: { 'fault:status': 1, ok: 1 } })
  })

  it('answers with an OAuth error of its choice', async () => {
    const tokens = await signIn()
    idp.setFault({
      kind: 'error',
      error: 'interaction_required',
      fields: { claims: '{}' },
      endpoint: 'token',
    })
    await expect(refresh(tokens)).rejects.toMatchObject({
      error: 'interaction_required',
      cause: { claims: '{}' },
    })
  })

  it('answers with the HTML of a firewall', async () => {
    idp.setFault({ kind: 'html', endpoint: 'discovery' })
    const response = await fetch(`${idp.issuer}/.well-known/openid-configuration`)
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toBe('text/html')
  })

  it('resets the connection', async () => {
    idp.setFault({ kind: 'reset', endpoint: 'jwks' })
    await expect(fetch(`${idp.issuer}/jwks`)).rejects.toMatchObject({
      cause: { code: 'ECONNRESET' },
    })
  })

  it('hangs without having rotated', async () => {
    const tokens = await signIn()
    const counted = countRefreshes()
    idp.setFault({ kind: 'hang', endpoint: 'all', times: 1 })
    const hanging = fetch(`${idp.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: tokens.refresh_token!,
      }),
      signal: AbortSignal.timeout(100),
    })
    await expect(hanging).rejects.toMatchObject({ name: 'TimeoutError' })
    await refresh(tokens)
    expect(counted()).toEqual({ requests: 2, results: { 'fault:hang': 1, ok: 1 } })
  })

  it('drops the connection after it has rotated, so that the repetition ends the family', async () => {
    const tokens = await signIn()
    const counted = countRefreshes()
    idp.setFault({ kind: 'drop-after-rotate', endpoint: 'token', times: 1 })
    await expect(refresh(tokens)).rejects.toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } })
    await expect(refresh(tokens)).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(counted()).toEqual({ requests: 2, results: { dropped: 1, invalid_grant: 1 } })
  })

  it('lets a login pass while it waits for a refresh to drop', async () => {
    idp.setFault({ kind: 'drop-after-rotate', endpoint: 'token' })
    expect((await signIn()).claims()?.sub).toBe('alice')
  })

  it('works at once and answers late where it is slow', async () => {
    const tokens = await signIn()
    const counted = countRefreshes()
    idp.setFault({ kind: 'slow', ms: 300, endpoint: 'token' })
    const startedAt = performance.now()
    const late = refresh(tokens)
    await waitFor(() => counted().results.ok === 1, {
      what: 'the refresh to be done',
      timeoutMs: 250,
    })
    await late
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(290)
  })
})
