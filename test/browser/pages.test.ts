import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { RETURN_URL, SAMPLES } from '../support/page-samples.ts'
import { type PageServer, servePages } from '../support/page-server.ts'
import { violations, withPage as withPageOf } from './support.ts'

const framing = {
  html: '<!doctype html><title>frame</title><iframe src="/consent-registered"></iframe>',
  headers: { 'Content-Type': 'text/html' },
}

const OPEN_ALL = 'document.querySelectorAll("details").forEach(part => { part.open = true })'

const MEASURE_NAME = `(() => {
  const name = document.querySelector('.who')
  return { height: name.getBoundingClientRect().height, line: parseFloat(getComputedStyle(name).lineHeight) }
})()`

let browser: Browser
let server: PageServer

beforeAll(async () => {
  browser = await launchChromium()
  server = await servePages({ ...SAMPLES, '/frame': framing })
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
})

const withPage = <T>(options: BrowserContextOptions, visit: (page: Page) => Promise<T>) =>
  withPageOf(browser, options, visit)

const paths = Object.keys(SAMPLES)

describe.each(['light', 'dark'] as const)('in the %s palette', colorScheme => {
  it.each(paths)('axe finds nothing wrong with %s, everything opened', async path => {
    // axe is put into the page, which its policy would not allow.
    const found = await withPage({ colorScheme, bypassCSP: true }, async page => {
      await page.goto(server.origin + path)
      await page.evaluate(OPEN_ALL)
      return violations(page)
    })
    expect(found).toEqual([])
  })
})

describe('on a narrow screen', () => {
  it.each(paths)('%s is no wider than 320 pixels, everything opened', async path => {
    const viewport = { width: 320, height: 640 }
    const width = await withPage({ viewport }, async page => {
      await page.goto(server.origin + path)
      await page.evaluate(OPEN_ALL)
      return page.evaluate<number>('document.documentElement.scrollWidth')
    })
    expect(width).toBe(320)
  })
})

describe('under its own policy', () => {
  it.each(paths)('%s loads styled, alone and without a complaint', async path => {
    const complaints: string[] = []
    const requests: string[] = []
    const columnWidth = await withPage({}, async page => {
      page.on('console', message => complaints.push(message.text()))
      page.on('pageerror', error => complaints.push(error.message))
      page.on('request', request => requests.push(request.url()))
      await page.goto(server.origin + path)
      return page.evaluate<string>('getComputedStyle(document.querySelector("main")).maxWidth')
    })
    expect(complaints).toEqual([])
    expect(requests.filter(url => !url.startsWith('data:'))).toEqual([server.origin + path])
    expect(columnWidth).toBe('544px')
  })

  it('a framed page is not shown', async () => {
    const [framed, approve] = await withPage({}, async page => {
      await page.goto(`${server.origin}/frame`)
      const frame = page.frames()[1]
      return [frame?.url(), await page.frameLocator('iframe').getByText('Approve').count()]
    })
    expect(framed).toMatch(/^chrome-error:/)
    expect(approve).toBe(0)
  })
})

describe('the consent form, by keyboard alone', () => {
  const focused = (page: Page) => page.evaluate('document.activeElement.value ?? null')

  it.each([
    ['deny', 1],
    ['approve', 2],
  ])('%s is reached with Tab, and Enter sends it from our own origin', async (decision, tabs) => {
    server.posted.length = 0
    await withPage({}, async page => {
      await page.goto(`${server.origin}/consent-registered`)
      expect(await focused(page)).toBeNull()
      for (let pressed = 0; pressed < tabs; pressed++) await page.keyboard.press('Tab')
      expect(await focused(page)).toBe(decision)
      await page.keyboard.press('Enter')
      await page.waitForURL('**/consent')
    })
    expect(server.posted).toEqual([
      {
        path: '/consent',
        origin: server.origin,
        fields: { consent: 'handle-1', decision },
      },
    ])
  })

  it('shows where the focus is', async () => {
    const outline = await withPage({}, async page => {
      await page.goto(`${server.origin}/consent-registered`)
      await page.keyboard.press('Tab')
      return page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')
    })
    expect(outline).toBe('solid')
  })

  it('a name that is a message gets three lines and no more', async () => {
    const viewport = { width: 320, height: 640 }
    const { height, line } = await withPage({ viewport }, async page => {
      await page.goto(`${server.origin}/consent-hostile`)
      return page.evaluate<{ height: number; line: number }>(MEASURE_NAME)
    })
    expect(height).toBeGreaterThan(2 * line)
    expect(height).toBeLessThanOrEqual(3 * line + 1)
  })
})

describe('the link back to a stranger', () => {
  it('is followed by its reader and by nobody else: with Tab and Enter, without a script or a referrer', async () => {
    const seen: { url: string; referrer: string | undefined }[] = []
    const before = await withPage({ javaScriptEnabled: false }, async page => {
      await page.route('https://app.example/**', async (route, request) => {
        seen.push({ url: request.url(), referrer: request.headers().referer })
        await route.fulfill({ contentType: 'text/html', body: '<title>the app</title>' })
      })
      await page.goto(`${server.origin}/error-return`, { waitUntil: 'networkidle' })
      const count = seen.length
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.waitForURL('https://app.example/**')
      return count
    })
    expect(before).toBe(0)
    expect(seen).toEqual([{ url: RETURN_URL, referrer: undefined }])
  })
})

describe('the guides', () => {
  it('open by keyboard, without a script', async () => {
    const seen = await withPage({ javaScriptEnabled: false }, async page => {
      await page.goto(`${server.origin}/connect`)
      const command = page.getByText('claude mcp add', { exact: false })
      const before = await command.isVisible()
      await page.getByText('Claude Code', { exact: true }).focus()
      await page.keyboard.press('Enter')
      return [before, await command.isVisible()]
    })
    expect(seen).toEqual([false, true])
  })
})
