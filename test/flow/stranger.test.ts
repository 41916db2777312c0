import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecret } from '../../src/domain/secret.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import {
  approve,
  codeOf,
  createOAuthClient,
  type OAuthClient,
  openBrowser,
  ping,
  REDIRECT_URI,
  registerClient,
  signIn,
  type Tokens,
  tokensOf,
} from './oauth-client.ts'

/** Within this, a revocation is known to a replica that holds the grant in its cache. */
const REVOKED_WITHIN_MS = 1000

let landscape: Landscape
let owner: OAuthClient
let stranger: OAuthClient
beforeAll(async () => {
  landscape = await startLandscape()
  owner = await registerClient(landscape, { client_name: 'Owner' })
  stranger = await registerClient(landscape, { client_name: 'Stranger' })
})
afterAll(() => landscape.close())

describe('an authorization code (RFC 6749 section 4.1.2)', () => {
  it('is redeemed once, and a replay at another replica revokes what that gave (known failure 12)', async () => {
    const { attempt, code } = await getCode(owner)
    const tokens = tokensOf(await owner.redeem(attempt, code, at(0)))
    await expectAlive(tokens)
    const replay = await owner.redeem(attempt, code, at(1))
    expect(replay).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    await expectDead(owner, tokens)
  })

  it('is taken by exactly one of many replicas that are asked at once, and nothing of it survives (known failure 12)', async () => {
    const { attempt, code } = await getCode(owner)
    const count = 12
    const before = countReplays()
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => owner.redeem(attempt, code, at(index % 3))),
    )
    const winners = answers.filter(({ status }) => status === 200)
    // None where a replay has revoked the grant before its tokens were out.
    expect(winners.length).toBeLessThanOrEqual(1)
    await waitFor(() => countReplays() - before === count - 1, {
      what: 'all takes but one to be told as replays',
    })
    for (const winner of winners) await expectDead(owner, tokensOf(winner))
  })

  it('is of no use to another client, and does not survive its try', async () => {
    const { attempt, code } = await getCode(owner)
    const theft = await stranger.redeem(attempt, code, at(0))
    expect(theft).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await owner.redeem(attempt, code, at(1))).body.error).toBe('invalid_grant')
  })

  it('is not burnt by a guess of its beginning (known failure 13)', async () => {
    const { attempt, code } = await getCode(owner)
    const guess = code.slice(0, -4)
    expect((await stranger.redeem(attempt, guess)).body.error).toBe('invalid_grant')
    await expectAlive(tokensOf(await owner.redeem(attempt, code)))
  })
})

describe('tokens in the wrong hands or the wrong place', () => {
  it('refuses a refresh token as bearer and an access token as refresh token (known failure 14)', async () => {
    const tokens = await signIn(landscape, owner)
    expect(await ping(landscape, tokens.refreshToken)).toBe(401)
    expect((await owner.refresh(tokens.accessToken)).body.error).toBe('invalid_grant')
    await expectAlive(tokens)
  })

  it('serves a call with the token that a refresh has just issued, at every replica (known failure 15)', async () => {
    const first = await signIn(landscape, owner)
    let { refreshToken } = first
    for (const replica of landscape.replicas.keys()) {
      const next = tokensOf(await owner.refresh(refreshToken, at(replica)))
      await expectAlive(next)
      refreshToken = next.refreshToken
    }
    await expectAlive(first)
  })

  it('does not revoke for another client, and answers it as if it had (known failure 16)', async () => {
    const tokens = await signIn(landscape, owner)
    expect(await stranger.revoke(tokens.refreshToken)).toBe(200)
    expect(await stranger.revoke(tokens.accessToken)).toBe(200)
    await expectAlive(tokens)
    tokensOf(await owner.refresh(tokens.refreshToken))
  })

  it.each([
    ['refresh token', ({ refreshToken }: Tokens) => refreshToken],
    ['access token', ({ accessToken }: Tokens) => accessToken],
  ])('revokes both tokens at every replica when their owner revokes the %s', async (_, choose) => {
    const tokens = await signIn(landscape, owner)
    await expectAlive(tokens)
    expect(await owner.revoke(choose(tokens))).toBe(200)
    await expectDead(owner, tokens)
  })

  it('does not refresh for another client, and the owner loses nothing by it (known failure 17)', async () => {
    const tokens = await signIn(landscape, owner)
    expect((await stranger.refresh(tokens.refreshToken)).body.error).toBe('invalid_grant')
    await expectAlive(tokens)
    await expectAlive(tokensOf(await owner.refresh(tokens.refreshToken)))
  })
})

describe('registrations', () => {
  it('leave Redis as it was, a thousand of them (known failure 23)', async () => {
    const before = await landscape.redis.dump()
    for (let hundred = 0; hundred < 10; hundred++) {
      await Promise.all(Array.from({ length: 100 }, () => registerClient(landscape)))
    }
    expect(await landscape.redis.dump()).toBe(before)
  })

  it.each(['none', 'client_secret_post'])(
    'are known after all replicas were restarted, with %s (known failure 22)',
    async method => {
      const client = await registerClient(landscape, { token_endpoint_auth_method: method })
      const before = await signIn(landscape, client)
      await landscape.restartReplicas()
      tokensOf(await client.refresh(before.refreshToken))
      await expectAlive(await signIn(landscape, client))
    },
  )

  it('that nobody here has made are answered with 401 invalid_client, so that clients register anew (known failure 22)', async () => {
    const unknown = [createSecret(), owner.clientId.slice(0, -1), 'https://127.0.0.1/client.json']
    for (const clientId of unknown) {
      const client = createOAuthClient(landscape, { client_id: clientId })
      const answer = await client.refresh('rt_of-nobody')
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
      const page = await openBrowser(landscape).open(client.begin().url)
      expect(page).toMatchObject({ isStop: false, status: 400 })
      expect(page.html).not.toContain(REDIRECT_URI)
    }
  })
})

async function getCode(client: OAuthClient) {
  const attempt = client.begin()
  return { attempt, code: codeOf(await approve(openBrowser(landscape), attempt), attempt) }
}

function at(replica: number): string {
  return landscape.replicas[replica]!.origin
}

async function expectAlive({ accessToken }: Pick<Tokens, 'accessToken'>): Promise<void> {
  for (const { origin } of landscape.replicas) {
    expect(await ping(landscape, accessToken, origin)).toBe(200)
  }
}

/** Neither token opens anything at any replica. */
async function expectDead(
  client: OAuthClient,
  { accessToken, refreshToken }: Tokens,
): Promise<void> {
  for (const { origin } of landscape.replicas) {
    await waitFor(async () => (await ping(landscape, accessToken, origin)) === 401, {
      what: 'the access token to be refused',
      timeoutMs: REVOKED_WITHIN_MS,
    })
    const answer = await client.refresh(refreshToken, origin)
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  }
}

function countReplays(): number {
  return landscape
    .logs()
    .split('\n')
    .filter(line => line.includes('"audit":true') && line.includes('"reason":"replayed code"'))
    .length
}
