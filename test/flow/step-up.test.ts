import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fieldValues } from '../support/recording-backend.ts'
import { type Era, type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { openBrowser, registerClient, tokensOf } from './oauth-client.ts'
import { createLegacySdk, createModernSdk, type SdkClient } from './sdk-client.ts'

const ACCESS = {
  scopes: {
    'tools.use': { description: 'Use the tools' },
    'tools.record': { description: 'Record calls', default: false },
    'tools.all': { default: false, implies: ['tools.use', 'tools.record'] },
  },
  required: ['tools.use'],
  tools: { 'record_*': { scopes: ['tools.record'] }, slow_count: { hidden: true } },
}

let landscape: Landscape
beforeAll(async () => {
  landscape = await startLandscape({ backend: ACCESS })
})
afterAll(() => landscape?.close())

const SDKS: readonly [what: string, era: Era, create: (url: string) => SdkClient][] = [
  // With one it refreshes where it should ask for more; see below.
  ['SDK v1 without a refresh token', 'legacy', url => createLegacySdk(landscape, url, true)],
  ['SDK v2', 'modern', url => createModernSdk(landscape, url, { mode: { pin: '2026-07-28' } })],
  ['SDK v2, in the older era', 'legacy', url => createModernSdk(landscape, url, { mode: 'auto' })],
]

const recordedCalls = (era: Era) =>
  landscape.backends[era].reduce((sum, backend) => sum + backend.recordedCalls(), 0)
const granted = (sdk: SdkClient) => sdk.login.tokens as { scope?: string } | undefined

describe.each(SDKS)('MCP authorization, "Step-Up Authorization Flow": %s', (_, era, create) => {
  it('asks for what a tool needs when it is first called, keeps what it had, and calls it once', async () => {
    const sdk = create(mcpUrl(landscape, era))
    const client = await sdk.connect()
    expect(granted(sdk)?.scope).toBe('tools.use')
    expect(await client.call('add', { a: 1, b: 2 })).toBe('3')
    const before = recordedCalls(era)
    await expect(client.call('record_call')).rejects.toThrow()
    await sdk.finish()
    expect(granted(sdk)?.scope?.split(' ').sort()).toEqual(['tools.record', 'tools.use'])
    expect(recordedCalls(era)).toBe(before)
    await client.call('record_call')
    expect(await client.call('add', { a: 1, b: 2 })).toBe('3')
    expect(recordedCalls(era)).toBe(before + 1)
    expect(sdk.login.logins).toBe(2)
    await client.close()
  })

  it('does not see a hidden tool and cannot call it', async () => {
    const client = await create(mcpUrl(landscape, era)).connect()
    const names = await client.toolNames()
    expect(names).toContain('record_call')
    expect(names).not.toContain('slow_count')
    await expect(client.call('slow_count', { to: 1, delayMs: 1 })).rejects.toThrow()
    const bodies = landscape.backends[era].flatMap(({ requests }) => requests)
    expect(bodies.filter(({ body }) => body.includes('slow_count'))).toEqual([])
    await client.close()
  })

  it('may have the answers to its calls compressed, though lists of tools must not be', async () => {
    const client = await create(mcpUrl(landscape, era)).connect()
    await client.call('add', { a: 1, b: 2 })
    const latest = landscape.backends[era].flatMap(({ requests }) => requests)
    const calls = latest.filter(({ body }) => body.includes('"add"'))
    const accepted = calls.map(request => fieldValues(request, 'accept-encoding').join())
    expect(calls.length).toBeGreaterThan(0)
    expect(accepted).not.toContain('identity')
    await client.close()
  })
})

describe('SDK v1 with a refresh token, which refreshes where it should ask for more', () => {
  // https://github.com/modelcontextprotocol/typescript-sdk/issues/2255
  it('ends with an error after one try, calls nothing, and stays signed in', async () => {
    const sdk = createLegacySdk(landscape, mcpUrl(landscape))
    const client = await sdk.connect()
    const before = recordedCalls('legacy')
    await expect(client.call('record_call')).rejects.toThrow('403 after trying upscoping')
    expect(recordedCalls('legacy')).toBe(before)
    expect(await client.call('add', { a: 1, b: 2 })).toBe('3')
    expect(sdk.login.logins).toBe(1)
    await client.close()
  })
})

describe('the person who is asked', () => {
  it('reads what each scope allows', async () => {
    const client = await registerClient(landscape)
    const url = new URL(client.begin().url)
    url.searchParams.set('scope', 'tools.record tools.use')
    const { html } = await openBrowser(landscape).open(url.href)
    expect(html).toContain('Use the tools')
    expect(html).toContain('Record calls')
  })
})

describe('RFC 6749 section 6: a refresh', () => {
  it('may ask for what is implied by what was granted, and for nothing more', async () => {
    const client = await registerClient(landscape)
    const attempt = client.begin()
    const url = new URL(attempt.url)
    url.searchParams.set('scope', 'tools.all')
    const browser = openBrowser(landscape)
    const page = await browser.submit(await browser.open(url.href), { button: 'approve' })
    const first = await client.redeem(attempt, new URL(page.url).searchParams.get('code')!)
    expect(first.body.scope).toBe('tools.all')
    const narrow = await client.refresh(tokensOf(first).refreshToken, undefined, 'tools.record')
    expect(narrow.body.scope).toBe('tools.record')
    const wide = await client.refresh(tokensOf(narrow).refreshToken, undefined, 'tools.other')
    expect(wide).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
  })
})
