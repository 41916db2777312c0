import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyRing, type KeyPurpose } from '../../src/domain/key-ring.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { connectLegacy } from '../support/mcp-clients.ts'
import { fieldValues } from '../support/recording-backend.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import {
  approve,
  codeOf,
  type OAuthClient,
  openBrowser,
  ping,
  registerClient,
  signIn,
  tokensOf,
} from './oauth-client.ts'

const PURPOSES: readonly KeyPurpose[] = [
  'access-token',
  'client-id',
  'client-secret',
  'refresh-token',
  'seal',
]

describe('a complete run (known failure 24)', () => {
  let landscape: Landscape
  /** What somebody with access to Redis could have read, after each step of the run. */
  const dumps: string[] = []

  beforeAll(async () => {
    // So short that the upstream's tokens are renewed in the run, too.
    landscape = await startLandscape({ idp: { accessTokenTtlSeconds: 3 } })
    addKeys(landscape)
    const client = await registerClient(landscape, {
      token_endpoint_auth_method: 'client_secret_post',
    })
    await succeed(client)
    await fail(client)
    await noteDump()
    addUpstreamTokens(landscape)
  }, 60_000)
  afterAll(() => landscape.close())

  it('has brought up every kind of secret there is', () => {
    const kinds = [...landscape.secrets.kinds()].map(kind =>
      kind.replace(/^(cookie (?:consent|login))-.*/, '$1'),
    )
    expect(kinds).toEqual(
      expect.arrayContaining([
        ...['key', 'derived key', 'client_secret', 'cookie consent', 'cookie login', 'consent'],
        ...['state', 'nonce', 'code', 'code_verifier', 'access_token', 'refresh_token'],
        ...['id_token', 'token', 'upstream access token'],
      ]),
    )
  })

  it('leaves no secret in Redis, at no step', () => {
    expect(dumps.length).toBeGreaterThan(5)
    for (const kind of ['pending:', 'code:', ':grant']) expect(dumps.join('\n')).toContain(kind)
    expect(landscape.secrets.findIn(dumps.join('\n'))).toEqual([])
  })

  it('leaves no secret in the logs of any process, at the most talkative level', () => {
    const logs = landscape.logs()
    expect(logs).toContain('"level":"debug"')
    for (const event of ['consent granted', 'token granted', 'revocation granted', 'refused']) {
      expect(logs).toContain(event)
    }
    expect(landscape.secrets.findIn(logs)).toEqual([])
  })

  it('would have been found out: a secret that is planted in Redis and in a log is found', async () => {
    const planted = createSecret()
    landscape.secrets.add('planted', planted)
    const redis = new Redis(landscape.redis.url)
    await redis.hset('planted', 'field', encodeURIComponent(planted))
    await redis.quit()
    // The name of a client is logged with its registration.
    await registerClient(landscape, { client_name: `A client with ${btoa(planted)}` })
    const found = expect.objectContaining({ kind: 'planted' })
    expect(landscape.secrets.findIn(await landscape.redis.dump())).toEqual([found])
    await waitFor(() => landscape.secrets.findIn(landscape.logs()).length === 1, {
      what: 'the planted secret to be found in a log',
    })
  })

  /** Login, calls, refreshes on both sides, revocation. */
  async function succeed(client: OAuthClient): Promise<void> {
    const attempt = client.begin()
    let isHeld = true
    const browser = openBrowser(landscape, url => isHeld && url.pathname === '/callback')
    const consent = await browser.open(attempt.url)
    await noteDump()
    const held = await browser.submit(consent, { button: 'approve' })
    await noteDump()
    isHeld = false
    const code = codeOf(await browser.open(held.url), attempt)
    await noteDump()
    const first = tokensOf(await client.redeem(attempt, code))
    await callTools(first.accessToken)
    await noteDump()
    const { refresh } = landscape.idp.counts
    await waitFor(
      async () => (await ping(landscape, first.accessToken)) === 200 && refresh.requests,
      {
        what: 'the upstream token to be renewed',
        timeoutMs: 10_000,
      },
    )
    const second = tokensOf(await client.refresh(first.refreshToken))
    await callTools(second.accessToken)
    await noteDump()
    expect(await client.revoke(second.refreshToken)).toBe(200)
    expect((await client.refresh(second.refreshToken)).status).toBe(400)
  }

  /** Everything that is refused, denied or broken on the way. */
  async function fail(client: OAuthClient): Promise<void> {
    const { front, idp } = landscape
    const browser = openBrowser(landscape)
    const denied = await browser.submit(await browser.open(client.begin().url), { button: 'deny' })
    expect(denied.url).toContain('error=access_denied')

    for (const kind of ['invalid_grant', 'server_error']) {
      idp.setFault({ endpoint: 'token', kind: 'error', error: kind, times: 1 })
      const failed = await approve(browser, client.begin())
      expect(failed.url).toContain('error=')
    }
    idp.setFault({ endpoint: 'token', kind: 'reset', times: 1 })
    expect((await approve(browser, client.begin())).url).toContain('error=')

    const attempt = client.begin()
    const code = codeOf(await approve(browser, attempt), attempt)
    const tokens = tokensOf(await client.redeem(attempt, code))
    expect((await client.redeem(attempt, code)).status).toBe(400)
    expect((await client.refresh(tokens.refreshToken)).status).toBe(400)

    const wrong = { ...client.begin(), codeVerifier: attempt.codeVerifier }
    const burnt = codeOf(await approve(browser, wrong), wrong)
    expect((await client.redeem(wrong, burnt)).status).toBe(400)

    const other = await registerClient(landscape)
    const live = await signIn(landscape, client)
    expect((await other.refresh(live.refreshToken)).status).toBe(400)
    expect(await ping(landscape, live.refreshToken)).toBe(401)
    const inQuery = `${mcpUrl(landscape)}?access_token=${live.accessToken}`
    expect((await fetch(inQuery, { method: 'POST' })).status).toBe(400)
    const stale = `${front.origin}/callback?code=${createSecret()}&state=${createSecret()}`
    expect((await browser.open(stale)).status).toBe(400)
    let isHeld = true
    const patient = openBrowser(landscape, url => isHeld && url.pathname === '/callback')
    const held = await approve(patient, client.begin())
    isHeld = false
    await idp.goDown()
    expect((await patient.open(held.url)).url).toContain('error=temporarily_unavailable')
    expect(await client.revoke(live.refreshToken)).toBe(200)
    await idp.comeBack()
  }

  async function callTools(token: string): Promise<void> {
    const mcp = await connectLegacy(mcpUrl(landscape), token)
    expect(await mcp.call('whoami')).toContain('alice')
    await expect(mcp.call('no-such-tool')).rejects.toThrow()
    await mcp.close()
  }

  async function noteDump(): Promise<void> {
    dumps.push(await landscape.redis.dump())
  }
})

/** The configured key and what is derived from it, in the spellings that bytes have in texts. */
function addKeys({ key, secrets }: Landscape): void {
  const bytes = Buffer.from(key, 'base64')
  const ring = createKeyRing([bytes])
  for (const encoding of ['base64', 'base64url', 'hex'] as const) {
    secrets.add('key', bytes.toString(encoding))
    for (const purpose of PURPOSES) {
      secrets.add('derived key', ring.current(purpose).key.toString(encoding))
    }
  }
}

function addUpstreamTokens({ backends, secrets }: Landscape): void {
  for (const request of backends.legacy.flatMap(backend => backend.requests)) {
    for (const value of fieldValues(request, 'authorization')) {
      secrets.add('upstream access token', value.replace('Bearer ', ''))
    }
  }
}
