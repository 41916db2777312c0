import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Page } from '../support/browser-agent.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import {
  approve,
  codeOf,
  type OAuthClient,
  openBrowser,
  REDIRECT_URI,
  registerClient,
  tokensOf,
} from './oauth-client.ts'

let landscape: Landscape
let client: OAuthClient
beforeAll(async () => {
  landscape = await startLandscape()
  client = await registerClient(landscape)
})
afterAll(() => landscape.close())

describe('a flow belongs to one browser', () => {
  it('cannot be approved by another browser than the one that saw the page (known failure 4)', async () => {
    const attempt = client.begin()
    const consent = await openBrowser(landscape).open(attempt.url)
    const page = await openBrowser(landscape).submit(consent, { button: 'approve' })
    expectRefusalPage(page, 'This browser did not start the sign-in')
  })

  it('cannot be finished by another browser than the one that approved it (known failure 2)', async () => {
    const attempt = client.begin()
    const attacker = openBrowser(landscape, isCallback)
    const held = await approve(attacker, attempt)
    const page = await openBrowser(landscape).open(held.url)
    expectRefusalPage(page, 'This browser did not start the sign-in')
  })

  it('cannot be finished by another browser that is in a flow of its own (known failure 2)', async () => {
    const attacker = await approve(openBrowser(landscape, isCallback), client.begin())
    let isHeld = true
    const victim = openBrowser(landscape, url => isHeld && isCallback(url))
    const own = client.begin()
    const victimHeld = await approve(victim, own)
    isHeld = false
    expectRefusalPage(await victim.open(attacker.url), 'This browser did not start the sign-in')
    codeOf(await victim.open(victimHeld.url), own)
  })

  it('asks for consent each time, also for a client that was approved before (known failure 3)', async () => {
    const browser = openBrowser(landscape)
    const first = client.begin()
    codeOf(await approve(browser, first), first)
    const page = await browser.open(client.begin().url)
    expect(page).toMatchObject({ isStop: false, status: 200 })
    expect(page.html).toContain('Approve')
  })

  it('uses the approval of a page once', async () => {
    const browser = openBrowser(landscape)
    const attempt = client.begin()
    const consent = await browser.open(attempt.url)
    codeOf(await browser.submit(consent, { button: 'approve' }), attempt)
    const again = await browser.submit(consent, { button: 'approve' })
    expectRefusalPage(again, 'This sign-in has expired')
  })
})

describe('several flows in one browser', () => {
  it('lets both of two tabs with the same request finish (known failure 4)', async () => {
    const browser = openBrowser(landscape)
    const attempt = client.begin()
    const firstTab = await browser.open(attempt.url)
    const secondTab = await browser.open(attempt.url)
    const codes = [
      codeOf(await browser.submit(firstTab, { button: 'approve' }), attempt),
      codeOf(await browser.submit(secondTab, { button: 'approve' }), attempt),
    ]
    for (const code of codes) tokensOf(await client.redeem(attempt, code))
  })

  it('keeps flows apart that are in all their steps at once (known failure 32)', async () => {
    let isHeld = true
    const browser = openBrowser(landscape, url => isHeld && isCallback(url))
    const others = await Promise.all([1, 2, 3].map(() => registerClient(landscape)))
    const flows = others.map(other => ({ other, attempt: other.begin() }))
    const consents = await Promise.all(flows.map(({ attempt }) => browser.open(attempt.url)))
    // One after another: the IdP, not the gateway, has but one session in a browser.
    const held = []
    for (const consent of consents) held.push(await browser.submit(consent, { button: 'approve' }))
    isHeld = false
    for (const [index, { other, attempt }] of [...flows.entries()].reverse()) {
      const code = codeOf(await browser.open(held[index]!.url), attempt)
      tokensOf(await other.redeem(attempt, code))
    }
  })

  it('leaves the others alone when one of them is denied (known failure 32)', async () => {
    const browser = openBrowser(landscape)
    const [denied, approved] = [client.begin(), client.begin()]
    const [deniedTab, approvedTab] = [
      await browser.open(denied.url),
      await browser.open(approved.url),
    ]
    const refusal = new URL((await browser.submit(deniedTab, { button: 'deny' })).url)
    expect(refusal.searchParams.get('error')).toBe('access_denied')
    expect(refusal.searchParams.get('state')).toBe(denied.state)
    codeOf(await browser.submit(approvedTab, { button: 'approve' }), approved)
  })
})

describe('a store that is gone', () => {
  it('answers no code that was not written, when Redis goes away during the sign-in (known failure 39)', async () => {
    const { idp, redis } = landscape
    idp.setFault({ endpoint: 'token', kind: 'slow', ms: 1000, times: 1 })
    const before = idp.counts.code.requests
    const attempt = client.begin()
    const finishing = approve(openBrowser(landscape), attempt)
    // The callback has taken its flow by now, and waits for the IdP; what is left is to write grant and code.
    await waitFor(() => idp.counts.code.requests > before, { what: 'the callback to redeem' })
    await redis.kill()
    try {
      expectOutage(await finishing, attempt)
    } finally {
      await landscape.restoreRedis()
    }
  })

  it('answers no code that was not written, when Redis takes the grant and refuses the code (known failure 39)', async () => {
    const admin = new Redis(landscape.redis.url)
    const allowed = ['pending:*', 'subject:*', 'client:*', ':grant', 'denied-clients']
    await admin.acl('SETUSER', 'default', 'resetkeys', ...allowed.map(key => `~*${key}`))
    try {
      const attempt = client.begin()
      expectOutage(await approve(openBrowser(landscape), attempt), attempt)
    } finally {
      await admin.acl('SETUSER', 'default', 'allkeys')
      await admin.quit()
    }
  })

  it('answers an outage and not invalid_grant when a token request meets it, and works again afterwards (known failure 42)', async () => {
    const { redis } = landscape
    const attempt = client.begin()
    const code = codeOf(await approve(openBrowser(landscape), attempt), attempt)
    await redis.kill()
    const answer = await client.redeem(attempt, code)
    await landscape.restoreRedis()
    expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    const next = client.begin()
    codeOf(await approve(openBrowser(landscape), next), next)
  })
})

function isCallback({ origin, pathname }: URL): boolean {
  return origin === landscape.front.origin && pathname === '/callback'
}

function expectRefusalPage(page: Awaited<ReturnType<typeof approve>>, title: string): void {
  expect(page).toMatchObject({ isStop: false, status: 400 })
  expect(page.html).toContain(title)
  expect(page.hops.some(({ location }) => location?.startsWith(REDIRECT_URI))).toBe(false)
}

/** The flow is spent by then, so the client hears of it and can begin anew. */
function expectOutage({ url, isStop }: Page, { state }: { state: string }): void {
  expect(isStop, url).toBe(true)
  const { searchParams } = new URL(url)
  expect(searchParams.get('error')).toBe('temporarily_unavailable')
  expect(searchParams.get('state')).toBe(state)
  expect(searchParams.has('code')).toBe(false)
}
