import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Whoami } from '../support/backend-tools.ts'
import { connectLegacy } from '../support/mcp-clients.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import {
  type Attempt,
  approve,
  codeOf,
  type OAuthClient,
  openBrowser,
  ping,
  registerClient,
  signIn,
  tokensOf,
} from './oauth-client.ts'

let landscape: Landscape
beforeEach(async () => {
  landscape = await startLandscape()
})
afterEach(() => landscape.close())

const USER = { sub: 'alice' }

describe('any replica serves any step', () => {
  it('answers each request of the whole flow at another replica than the one before', async () => {
    const { front } = landscape
    await discover(landscape)
    const client = await registerClient(landscape)
    const first = await signIn(landscape, client)
    await useTools(landscape, first.accessToken)
    const second = tokensOf(await client.refresh(first.refreshToken))
    await useTools(landscape, second.accessToken)
    expect(await client.revoke(second.refreshToken)).toBe(200)
    expect((await client.refresh(second.refreshToken)).body.error).toBe('invalid_grant')

    expect(new Set(front.trace.map(({ path }) => path))).toEqual(
      new Set([
        ...['/legacy/mcp', '/.well-known/oauth-protected-resource/legacy/mcp'],
        ...['/.well-known/oauth-authorization-server', '/register', '/authorize', '/consent'],
        ...['/callback', '/token', '/revoke'],
      ]),
    )
    expect(repeatedReplicas(landscape)).toEqual([])
    expect(new Set(front.trace.map(({ replica }) => replica)).size).toBe(3)
  })

  it('goes on when the replica that answered /authorize dies before /callback', async () => {
    const client = await registerClient(landscape)
    const attempt = client.begin()
    const browser = openBrowser(landscape)
    const consent = await browser.open(attempt.url)
    await landscape.kill(replicaOf('/authorize'))
    const page = await browser.submit(consent, { button: 'approve' })
    await expectTokens(client, attempt, codeOf(page, attempt))
  })

  it('goes on when the replica that answered /consent dies before /callback', async () => {
    const client = await registerClient(landscape)
    const attempt = client.begin()
    let isHeld = true
    const browser = openBrowser(landscape, url => isHeld && url.pathname === '/callback')
    const held = await approve(browser, attempt)
    await landscape.kill(replicaOf('/consent'))
    isHeld = false
    const page = await browser.open(held.url)
    await expectTokens(client, attempt, codeOf(page, attempt))
  })

  it('goes on when the replica that answered /callback dies before /token', async () => {
    const client = await registerClient(landscape)
    const attempt = client.begin()
    const page = await approve(openBrowser(landscape), attempt)
    await landscape.kill(replicaOf('/callback'))
    await expectTokens(client, attempt, codeOf(page, attempt))
  })

  it('serves the next call, and then the next refresh, after all replicas were restarted', async () => {
    const client = await registerClient(landscape)
    const first = await signIn(landscape, client)
    await landscape.restartReplicas()
    await useTools(landscape, first.accessToken)
    const second = tokensOf(await client.refresh(first.refreshToken))
    await useTools(landscape, second.accessToken)
  })

  it('serves the next refresh, and then the next call, after all replicas were restarted', async () => {
    const client = await registerClient(landscape)
    const first = await signIn(landscape, client)
    await landscape.restartReplicas()
    const second = tokensOf(await client.refresh(first.refreshToken))
    await useTools(landscape, second.accessToken)
    await useTools(landscape, first.accessToken)
  })
})

/** As a client that knows only the URL of the MCP endpoint. */
async function discover({ front }: Landscape): Promise<void> {
  const refused = await fetch(mcpUrl(landscape), { method: 'POST' })
  const metadataUrl = /resource_metadata="([^"]+)"/.exec(
    refused.headers.get('www-authenticate') ?? '',
  )?.[1]
  const resource = (await (await fetch(metadataUrl!)).json()) as Record<string, unknown>
  expect(resource).toMatchObject({
    resource: mcpUrl(landscape),
    authorization_servers: [front.origin],
  })
  const metadata = await fetch(`${front.origin}/.well-known/oauth-authorization-server`)
  expect(await metadata.json()).toMatchObject({ issuer: front.origin })
}

/** Handshake, list and calls with the v1 SDK. */
async function useTools(landscape: Landscape, token: string): Promise<void> {
  const client = await connectLegacy(mcpUrl(landscape), token)
  expect(await client.toolNames()).toContain('whoami')
  const { claims } = JSON.parse(await client.call('whoami')) as Whoami
  expect(claims).toMatchObject(USER)
  await client.close()
}

async function expectTokens(client: OAuthClient, attempt: Attempt, code: string): Promise<void> {
  const { accessToken, refreshToken } = tokensOf(await client.redeem(attempt, code))
  expect(await ping(landscape, accessToken)).toBe(200)
  tokensOf(await client.refresh(refreshToken))
}

function replicaOf(path: string): number {
  return landscape.front.trace.find(entry => entry.path === path)!.replica
}

/** Requests that were answered where the one before was. */
function repeatedReplicas({ front: { trace } }: Landscape) {
  return trace.filter(({ replica }, index) => replica === trace[index - 1]?.replica)
}
