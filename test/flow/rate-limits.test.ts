import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import { type OAuthClient, ping, registerClient, signIn } from './oauth-client.ts'

const TOKEN_LIMIT = 20
const CALL_LIMIT = 40

/** Two replicas on one Redis. */
describe('rate limits', () => {
  let landscape: Landscape
  let client: OAuthClient
  let accessToken: string
  beforeAll(async () => {
    landscape = await startLandscape({
      replicas: 2,
      config: {
        rateLimits: {
          ...{ token: `${TOKEN_LIMIT}/1h`, register: '1000/1h' },
          calls: { subject: `${CALL_LIMIT}/1h` },
        },
      },
    })
    client = await registerClient(landscape)
    accessToken = (await signIn(landscape, client)).accessToken
  })
  afterAll(() => landscape.close())

  const askToken = (replica: number) =>
    fetch(`${landscape.replicas[replica]?.origin}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token' }),
    })
  const metric = async (replica: number, limit: string) => {
    const text = await (await fetch(`${landscape.replicas[replica]?.opsOrigin}/metrics`)).text()
    return Number(
      new RegExp(`rate_limited_total\\{limit="${limit}"\\} (\\d+)`).exec(text)?.[1] ?? 0,
    )
  }

  it('of endpoints are exact across replicas', async () => {
    // The sign-in was one of them.
    const answers = await Promise.all(
      Array.from({ length: TOKEN_LIMIT + 9 }, (_, n) => askToken(n % 2)),
    )
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(10)
    for (const { headers } of refused) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(3000)
      expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(3600)
    }
    expect((await metric(0, 'token')) + (await metric(1, 'token'))).toBe(10)
  })

  it('of calls are shared by the replicas, up to what comes before they have told each other', async () => {
    let letThrough = 0
    const call = async (replica: number): Promise<boolean> => {
      const status = await ping(landscape, accessToken, landscape.replicas[replica]?.origin)
      expect([200, 429]).toContain(status)
      letThrough += status === 200 ? 1 : 0
      return status === 429
    }
    for (let n = 0; n < CALL_LIMIT / 2; n += 1) await call(0)
    // The other has seen none of these, and lets no more through than are left.
    await waitFor(async () => (await Promise.all([call(0), call(1)])).every(Boolean), {
      what: 'both replicas to be full',
      timeoutMs: 20_000,
      intervalMs: 50,
    })
    expect(letThrough).toBeGreaterThanOrEqual(CALL_LIMIT)
    expect(letThrough).toBeLessThan(1.5 * CALL_LIMIT)
    expect(await metric(1, 'subject')).toBeGreaterThan(0)
  })

  it('are on record once a minute at each replica, however many are refused', async () => {
    const refusedCalls = (await metric(0, 'subject')) + (await metric(1, 'subject'))
    for (let n = 0; n < 10; n += 1) await ping(landscape, accessToken)
    expect((await metric(0, 'subject')) + (await metric(1, 'subject'))).toBe(refusedCalls + 10)
    const refusals = (event: string) =>
      landscape
        .logs()
        .split('\n')
        .filter(line => line.includes('"audit":true') && line.includes('the limit'))
        .map(line => JSON.parse(line.slice(line.indexOf('{'))))
        .filter(line => line.event === event)
    await expect.poll(() => refusals('policy').length).toBeGreaterThan(0)
    const calls = refusals('policy')
    expect(calls.length).toBeLessThanOrEqual(2)
    expect(calls[0]).toMatchObject({
      outcome: 'denied',
      reason: 'more calls than the limit of its subject',
      subject: expect.any(String),
      clientId: client.clientId,
    })
    expect(refusals('token').length).toBeLessThanOrEqual(2)
  })

  it('leave only digests in Redis, and each with an end', async () => {
    const keys = (await landscape.redis.keys()).filter(({ key }) => key.includes(':rate:'))
    expect(keys.length).toBeGreaterThanOrEqual(4)
    for (const { key, ttlMs } of keys) {
      expect(key).toMatch(/:rate:[\w-]{43}$/)
      expect(ttlMs).toBeGreaterThan(0)
    }
    expect(await landscape.redis.dump()).not.toMatch(/127\.0\.0\.1|alice/)
  })
})

describe('when Redis is gone', () => {
  let landscape: Landscape
  beforeAll(async () => {
    const rateLimits = { calls: { subject: '1000/1h' } }
    landscape = await startLandscape({ replicas: 1, config: { rateLimits } })
  })
  afterAll(() => landscape.close())

  it('endpoints are closed, and calls go on', async () => {
    const client = await registerClient(landscape)
    const { accessToken } = await signIn(landscape, client)
    expect(await ping(landscape, accessToken)).toBe(200)
    await landscape.redis.kill()
    expect(await ping(landscape, accessToken)).toBe(200)
    const body = JSON.stringify({ redirect_uris: ['https://app.example.com/callback'] })
    const headers = { 'content-type': 'application/json' }
    const { origin } = landscape.front
    const answer = await fetch(`${origin}/register`, { method: 'POST', headers, body })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
    // As long as the grant is remembered; a limiter that waited for Redis would answer none.
    expect(await ping(landscape, accessToken)).toBe(200)
  })
})
