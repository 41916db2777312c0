import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Whoami } from '../support/backend-tools.ts'
import { fieldValues } from '../support/recording-backend.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Era, type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { createLegacySdk, createModernSdk, type SdkClient } from './sdk-client.ts'

const ACCESS_TOKEN_TTL_MS = 10_000

let landscape: Landscape
beforeAll(async () => {
  landscape = await startLandscape({ config: { lifetimes: { accessToken: '10s' } } })
})
afterAll(() => landscape.close())

const SDKS: readonly [what: string, era: Era, create: (url: string) => SdkClient][] = [
  ['SDK v1 at a legacy backend', 'legacy', url => createLegacySdk(landscape, url)],
  [
    'SDK v2, pinned to 2026-07-28, at a modern backend',
    'modern',
    url => createModernSdk(landscape, url, { mode: { pin: '2026-07-28' } }),
  ],
  [
    'SDK v2, which finds the era out, at a legacy backend',
    'legacy',
    url => createModernSdk(landscape, url, { mode: 'auto' }),
  ],
  [
    'SDK v2, which finds the era out, at a modern backend',
    'modern',
    url => createModernSdk(landscape, url, { mode: 'auto' }),
  ],
]

// At the same time, since each waits for its access token to expire.
describe.concurrent.each(SDKS)('%s', (_, era, create) => {
  it('signs in by itself, calls tools on both instances, and refreshes when its token has expired', async () => {
    const sdk = create(mcpUrl(landscape, era))
    const client = await sdk.connect()
    expect(await client.toolNames()).toContain('whoami')
    expect(await client.call('add', { a: 2, b: 3 })).toBe('5')
    await expectBothInstances(client, era)
    const { login } = sdk
    expect(login.logins).toBe(1)

    const { length: before } = login.accessTokens
    await waitFor(() => isRefused(mcpUrl(landscape, era), login.tokens!.access_token), {
      what: 'the access token to expire',
      timeoutMs: 2 * ACCESS_TOKEN_TTL_MS,
      intervalMs: 500,
    })
    expect(JSON.parse(await client.call('whoami'))).toMatchObject({ claims: { sub: 'alice' } })
    expect(login.accessTokens.length).toBeGreaterThan(before)
    expect(login.logins).toBe(1)
    await client.close()
    expectUpstreamTokensOnly(era, login.accessTokens)
  })
})

it('spreads the requests of all of them over the replicas in strict turn', () => {
  const { trace } = landscape.front
  const repeated = trace.filter(({ replica }, index) => replica === trace[index - 1]?.replica)
  expect(repeated).toEqual([])
})

async function isRefused(url: string, token: string): Promise<boolean> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  await response.text()
  return response.status === 401
}

async function expectBothInstances(
  client: Awaited<ReturnType<SdkClient['connect']>>,
  era: Era,
): Promise<void> {
  const seen = new Set<string>()
  await waitFor(
    async () => {
      const { instance, claims } = JSON.parse(await client.call('whoami')) as Whoami
      expect(claims).toMatchObject({ sub: 'alice', iss: landscape.idp.issuer })
      return seen.add(instance).size === 2
    },
    { what: 'both instances to answer' },
  )
  expect([...seen].sort()).toEqual([`${era}-1`, `${era}-2`])
}

/** `whoami` reads the upstream's claims from the token; here it is shown that nothing else came with it. */
function expectUpstreamTokensOnly(era: Era, accessTokens: readonly string[]): void {
  const requests = landscape.backends[era].flatMap(backend => backend.requests)
  for (const request of requests) {
    expect(fieldValues(request, 'authorization')).toHaveLength(1)
    const everything = [...request.rawHeaders, request.body, request.url].join('\n')
    for (const token of accessTokens) expect(everything).not.toContain(token)
  }
}
