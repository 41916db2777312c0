import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { type Landscape, mcpUrl, startLandscape } from '../flow/landscape.ts'
import { type Attempt, type OAuthClient, registerClient } from '../flow/oauth-client.ts'
import { launchChromium } from '../support/chromium.ts'
import { type PageServer, servePages } from '../support/page-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { violations, withPage } from './support.ts'

const PHONE = { viewport: { width: 320, height: 640 } }
const REFERENCE = /Reference: ([\w-]{22})/

let browser: Browser
let landscape: Landscape
/** The client's own listener, to which the browser comes back. */
let callback: Listening
let client: OAuthClient
let arrived: URLSearchParams[]
beforeAll(async () => {
  const app = createServer((req, res) => {
    const url = new URL(req.url ?? '', 'http://app')
    if (url.pathname === '/callback') arrived.push(url.searchParams)
    res.writeHead(200, { 'content-type': 'text/html' })
    res.end('<!doctype html><html lang="en"><title>app</title><h1>Back at the app</h1>')
  })
  callback = await listen(app, 0, '127.0.0.1')
  landscape = await startLandscape({
    backend: { scopes: { 'crm.read': { description: 'Read customers' } } },
  })
  client = await registerClient(landscape, {
    client_name: 'A desktop app',
    redirect_uris: [`${callback.origin}/callback`],
  })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await landscape?.close()
  await callback?.close()
})
beforeEach(() => {
  arrived = []
})

const visiting = <T>(options: BrowserContextOptions, visit: (page: Page) => Promise<T>) =>
  withPage(browser, options, visit)

function begin(): Attempt {
  const attempt = client.begin()
  const url = new URL(attempt.url)
  url.searchParams.set('redirect_uri', `${callback.origin}/callback`)
  return { ...attempt, url: url.href }
}

const approve = (page: Page) => page.getByRole('button', { name: 'Approve' }).click()
const isBack = (page: Page) => page.getByRole('heading', { name: 'Back at the app' }).waitFor()

/** The parameters with which the browser came back for an attempt. */
const answerTo = ({ state }: Attempt) => arrived.find(answer => answer.get('state') === state)

/** What a page of refusal says: what to do, and a reference that an operator finds in the log. */
async function refusalOf(page: Page): Promise<string> {
  const text = await page.locator('main').innerText()
  const [, reference] = REFERENCE.exec(text) ?? []
  await expect.poll(landscape.logs).toContain(`"correlationId":"${reference}"`)
  expect(text).toMatch(/go back to (the app|it)/i)
  return page.getByRole('heading', { level: 1 }).innerText()
}

describe('consent in a real browser', () => {
  it('says who asks, for what, and where it goes, in headings that a screen reader finds', async () => {
    await visiting({}, async page => {
      await page.goto(begin().url)
      const fact = (name: string) => page.getByRole('region', { name }).innerText()
      expect(await fact('This app says it is')).toContain('A desktop app')
      expect(await fact('It wants to act for you in')).toContain(mcpUrl(landscape))
      expect(await fact('It wants to act for you in')).toContain('Read customers')
      expect(await fact('Your access goes to')).toContain(new URL(callback.origin).host)
      expect(await page.getByRole('button').allInnerTexts()).toEqual(['Deny', 'Approve'])
      expect(await page.getByRole('main').count()).toBe(1)
    })
  })

  it('ends at the app, with a code, the state and the issuer', async () => {
    const attempt = begin()
    await visiting({}, async page => {
      await page.goto(attempt.url)
      await approve(page)
      await isBack(page)
    })
    const answer = answerTo(attempt)
    expect(answer?.get('code')).toMatch(/^[\w-]{43}$/)
    expect(answer?.get('iss')).toBe(landscape.front.origin)
  })

  it('tells the app when it was denied, and gives it nothing', async () => {
    const attempt = begin()
    await visiting({}, async page => {
      await page.goto(attempt.url)
      await page.getByRole('button', { name: 'Deny' }).click()
      await isBack(page)
    })
    const answer = answerTo(attempt)
    expect(answer?.get('error')).toBe('access_denied')
    expect(answer?.get('iss')).toBe(landscape.front.origin)
    expect(answer?.has('code')).toBe(false)
  })

  it('can be given by keyboard alone', async () => {
    const attempt = begin()
    await visiting({}, async page => {
      await page.goto(attempt.url)
      const name = () => page.evaluate<string | null>('document.activeElement.textContent')
      await page.keyboard.press('Tab')
      expect(await name()).toBe('Deny')
      await page.keyboard.press('Tab')
      expect(await name()).toBe('Approve')
      await page.keyboard.press('Enter')
      await isBack(page)
    })
    expect(answerTo(attempt)?.has('code')).toBe(true)
  })

  it('finishes in both of two tabs, approved in the other order', async () => {
    const [first, second] = [begin(), begin()]
    await visiting({}, async page => {
      const other = await page.context().newPage()
      await page.goto(first.url)
      await other.goto(second.url)
      await approve(other)
      await isBack(other)
      await approve(page)
      await isBack(page)
    })
    expect(answerTo(first)?.get('code')).not.toBe(answerTo(second)?.get('code'))
    expect(arrived.map(answer => answer.has('code'))).toEqual([true, true])
  })

  it('is asked anew after the back button, and can be given again', async () => {
    const attempt = begin()
    await visiting({}, async page => {
      await page.goto(attempt.url)
      await approve(page)
      await isBack(page)
      await page.goBack()
      await approve(page)
      await isBack(page)
    })
    const codes = arrived.map(answer => answer.get('code'))
    expect(codes).toHaveLength(2)
    expect(new Set(codes).size).toBe(2)
  })

  it('is not shown in a frame', async () => {
    const frame = `<!doctype html><title>lure</title><iframe src="${begin().url.replaceAll('&', '&amp;')}"></iframe>`
    const pages = { '/': { html: frame, headers: { 'Content-Type': 'text/html' } } }
    const attacker: PageServer = await servePages(pages)
    try {
      await visiting({}, async page => {
        await page.goto(`${attacker.origin}/`)
        expect(page.frames()[1]?.url()).toMatch(/^chrome-error:/)
        expect(await page.frameLocator('iframe').getByText('Approve').count()).toBe(0)
      })
    } finally {
      await attacker.close()
    }
  })
})

describe('a person whose way ends here', () => {
  it('is told that the sign-in has expired, and what to do', async () => {
    await visiting({}, async page => {
      await page.goto(begin().url)
      await expireFlows()
      await approve(page)
      expect(await refusalOf(page)).toBe('This sign-in has expired')
    })
    expect(arrived).toEqual([])
  })

  it('is told that the cookie of the page is missing, and what to do', async () => {
    await visiting({}, async page => {
      await page.goto(begin().url)
      await page.context().clearCookies()
      await approve(page)
      expect(await refusalOf(page)).toBe('This browser did not start the sign-in')
      expect(await page.locator('main').innerText()).toContain('cookies')
    })
    expect(arrived).toEqual([])
  })

  it('is told that the app is unknown, or wants its answer elsewhere, and is sent nowhere', async () => {
    const changed = (name: string, value: string) => {
      const url = new URL(begin().url)
      url.searchParams.set(name, value)
      return url.href
    }
    await visiting({}, async page => {
      await page.goto(changed('client_id', 'c_unknown'))
      expect(await refusalOf(page)).toBe('This app is not registered here')
      await page.goto(changed('redirect_uri', `${callback.origin}/elsewhere`))
      expect(await refusalOf(page)).toBe('The app asked for an answer at an unknown address')
    })
    expect(arrived).toEqual([])
  })
})

describe('an MCP endpoint that a person opens', () => {
  it('shows how to connect to this very address, though the status says that a token is missing', async () => {
    await visiting({}, async page => {
      const response = await page.goto(mcpUrl(landscape))
      expect(response?.status()).toBe(401)
      expect(await response?.headerValue('www-authenticate')).toMatch(/^Bearer /)
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Connect to legacy')
      await page.getByText('Claude Code', { exact: true }).click()
      const command = page.getByText('claude mcp add', { exact: false })
      expect(await command.innerText()).toContain(mcpUrl(landscape))
    })
  })
})

describe('every page of the flow', () => {
  const reach: Record<string, (page: Page) => Promise<unknown>> = {
    'the consent page': page => page.goto(begin().url),
    'the page of an expired sign-in': async page => {
      await page.goto(begin().url)
      await expireFlows()
      await approve(page)
      await page.getByText('has expired').waitFor()
    },
    'the page of a missing cookie': async page => {
      await page.goto(begin().url)
      await page.context().clearCookies()
      await approve(page)
      await page.getByText('did not start').waitFor()
    },
    'the page of an MCP endpoint': page => page.goto(mcpUrl(landscape)),
    'the home page': page => page.goto(landscape.front.origin),
    'the page of an address with nothing': page => page.goto(`${landscape.front.origin}/nothing`),
  }
  const openAll = 'document.querySelectorAll("details").forEach(part => { part.open = true })'

  it.each(Object.entries(reach))(
    'is without fault for axe, and fits 320 pixels: %s',
    async (_, go) => {
      await visiting({ ...PHONE, bypassCSP: true }, async page => {
        await go(page)
        await page.evaluate(openAll)
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
        expect(await violations(page)).toEqual([])
      })
    },
  )
})

/** Does at once what ten minutes would do. */
async function expireFlows(): Promise<void> {
  const redis = new Redis(landscape.redis.url)
  try {
    await waitFor(
      async () => {
        const keys = await redis.keys('*pending:*')
        for (const key of keys) await redis.pexpire(key, 1)
        return keys.length === 0
      },
      { what: 'the flows to expire' },
    )
  } finally {
    await redis.quit()
  }
}
