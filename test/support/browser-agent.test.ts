import { createServer, type RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCookieJar } from '../../src/dev/cookie-jar.ts'
import { parseForms } from '../../src/dev/html-form.ts'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { createBrowserAgent } from './browser-agent.ts'
import { createSecretsLog } from './secrets-log.ts'

let one: Listening
let two: Listening

const FORM = `<!doctype html><form method="post" action="/sent?x=1&amp;y=2">
<input type="hidden" name="handle" value="a&quot;b&#39;c-handle-of-a-form">
<button name="answer" value="yes">Allow <b>this</b></button>
<button name="answer" value="no">Deny</button></form>`

const serve: RequestListener = async (request, response) => {
  const url = new URL(request.url ?? '/', one.origin)
  if (url.pathname === '/form') {
    response.setHeader('set-cookie', ['form=a-cookie-of-the-form; Path=/sent; HttpOnly', 'other=1'])
    return void response.end(FORM)
  }
  if (url.pathname === '/sent') {
    const body = Buffer.concat(await request.toArray()).toString()
    return void response.end(
      JSON.stringify({ cookie: request.headers.cookie, body, url: request.url }),
    )
  }
  if (url.pathname === '/loop') return void response.writeHead(302, { location: '/loop' }).end()
  if (url.pathname === '/away') {
    return void response
      .writeHead(302, { location: `${two.origin}/callback?code=code-of-a-login` })
      .end()
  }
  response.writeHead(302, { location: '/away' }).end()
}

beforeAll(async () => {
  one = await listen(createServer(serve), 0, '127.0.0.1')
  two = await listen(createServer(serve), 0, '127.0.0.1')
})

afterAll(() => Promise.all([one.close(), two.close()]))

describe('the browser agent', () => {
  it('follows redirects one by one, and stops at the redirect URI without asking it', async () => {
    const agent = createBrowserAgent({ stopAt: `${two.origin}/callback` })
    const page = await agent.open(`${one.origin}/start`)
    expect(page).toMatchObject({ isStop: true, url: `${two.origin}/callback?code=code-of-a-login` })
    expect(page.hops.map(({ url, status }) => [new URL(url).pathname, status])).toEqual([
      ['/start', 302],
      ['/away', 302],
    ])
  })

  it('does not take another path, host or port for the redirect URI', async () => {
    const agent = createBrowserAgent({ stopAt: `${one.origin}/callback` })
    await expect(agent.open(`${one.origin}/start`)).rejects.toThrow('redirects')
  })

  it('gives up on a loop', async () => {
    await expect(createBrowserAgent().open(`${one.origin}/loop`)).rejects.toThrow('redirects')
  })

  it('submits the chosen button with the hidden fields and the cookies of that path', async () => {
    const agent = createBrowserAgent()
    const form = await agent.open(`${one.origin}/form`)
    const sent = JSON.parse((await agent.submit(form, { button: 'Allow' })).html)
    expect(sent.url).toBe('/sent?x=1&y=2')
    expect(Object.fromEntries(new URLSearchParams(sent.body))).toEqual({
      handle: `a"b'c-handle-of-a-form`,
      answer: 'yes',
    })
    expect(sent.cookie).toBe('form=a-cookie-of-the-form; other=1')
  })

  it('refuses to guess between buttons, or to press one that is not there', async () => {
    const agent = createBrowserAgent()
    const form = await agent.open(`${one.origin}/form`)
    await expect(async () => agent.submit(form)).rejects.toThrow('2 buttons')
    await expect(async () => agent.submit(form, { button: 'Maybe' })).rejects.toThrow('0 buttons')
  })

  it('tells the secrets that pass to the log of secrets', async () => {
    const secrets = createSecretsLog()
    const agent = createBrowserAgent({ stopAt: `${two.origin}/callback`, secrets })
    await agent.submit(await agent.open(`${one.origin}/form`), { button: 'Deny' })
    await agent.open(`${one.origin}/start`)
    const text = "a-cookie-of-the-form code-of-a-login a%22b'c-handle-of-a-form"
    expect(secrets.findIn(text).map(({ kind }) => kind)).toEqual(['cookie form', 'handle', 'code'])
  })
})

describe('the cookie jar', () => {
  const at = (path: string) => new URL(path, 'http://127.0.0.1:1')

  it('keeps origins apart by their port', () => {
    const jar = createCookieJar()
    jar.store(at('/'), ['a=1; Path=/'])
    expect(jar.headerFor(at('/x'))).toBe('a=1')
    expect(jar.headerFor(new URL('http://127.0.0.1:2/x'))).toBe('')
    expect(jar.headerFor(new URL('http://localhost:1/x'))).toBe('')
  })

  it('keeps paths apart, so that two flows do not overwrite each other', () => {
    const jar = createCookieJar()
    jar.store(at('/'), ['flow=1; Path=/flow/1', 'flow=2; Path=/flow/2'])
    expect(jar.headerFor(at('/flow/1'))).toBe('flow=1')
    expect(jar.headerFor(at('/flow/2/deep'))).toBe('flow=2')
    expect(jar.headerFor(at('/flow/22'))).toBe('')
  })

  it.each(['a=; Path=/; Max-Age=0', 'a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'])(
    'forgets on %s',
    line => {
      const jar = createCookieJar()
      jar.store(at('/'), ['a=1; Path=/'])
      jar.store(at('/'), [line])
      expect(jar.names(at('/').origin)).toEqual([])
    },
  )

  it.each([
    '__Host-a=1; Path=/',
    '__Host-a=1; Path=/x; Secure',
    '__Host-a=1; Path=/; Secure; Domain=a',
  ])('refuses what a browser would: %s', line => {
    expect(() => createCookieJar().store(at('/'), [line])).toThrow('__Host-')
  })
})

describe('the form reader', () => {
  it.each([
    ['a form without its end', '<form method="post">'],
    ['an unquoted attribute', '<form method=post></form>'],
    ['a field to fill in', '<form><input name="password" type="password"></form>'],
    ['a method that forms do not have', '<form method="dialog"></form>'],
  ])('refuses %s', (_, html) => {
    expect(() => parseForms(html, 'http://127.0.0.1/')).toThrow()
  })
})
