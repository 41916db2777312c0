import { createServer, type IncomingHttpHeaders } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { examineCookies } from '../../../src/cli/doctor/cookies.ts'
import { listen } from '../../../src/dev/listen.ts'
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
} from '../../authorization-server/support.ts'

/** What stands in front of the gateway does with what passes it. */
type Platform = {
  request?: (headers: IncomingHttpHeaders) => void
  response?: (headers: Headers) => void
  caches?: boolean
}

/** A gateway, and a platform in front of it that listens at its public URL. */
async function setUp(platform: Platform, options: GatewayOptions = {}) {
  const cache = new Map<string, { status: number; headers: Headers; body: string }>()
  let gateway: Gateway | undefined
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    platform.request?.(req.headers)
    const { method = 'GET', url = '' } = req
    const init = {
      method,
      headers: Object.entries(req.headers).map(([name, value]): [string, string] => [
        name,
        `${value}`,
      ]),
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    }
    const cached = platform.caches && method === 'GET' ? cache.get(url) : undefined
    const fresh = cached ? undefined : await gateway!.request(url, init)
    const answer = cached ?? {
      ...{ status: fresh!.status, headers: fresh!.headers, body: await fresh!.text() },
    }
    cache.set(url, answer)
    platform.response?.(answer.headers)
    res.writeHead(answer.status, [...answer.headers].flat()).end(answer.body)
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  onTestFinished(close)
  gateway = createGateway({ issuer: origin, ...options })
  return { origin, gateway }
}

async function examine(platform: Platform, options?: GatewayOptions) {
  const { origin, gateway } = await setUp(platform, options)
  const findings = await examineCookies(origin, `${origin}/crm/mcp`)
  return { said: findings.map(({ level, what }) => `${level} ${what}`), gateway }
}

describe('the doctor looks at what stands in front of the gateway', () => {
  test('and finds nothing where cookies pass as they are; its logins are denied and over', async () => {
    const { said, gateway } = await examine({})
    expect(said).toEqual([
      'ok pages of a login are not cached on the way',
      'ok Set-Cookie of a login arrives as it was sent',
      'ok Cookie of a login comes back to the gateway',
    ])
    expect(
      gateway
        .log()
        .match(
          /"event":"consent"[^\n]*"outcome":"denied"|"outcome":"denied"[^\n]*"event":"consent"/g,
        ),
    ).toHaveLength(2)
  })

  test.each([
    [
      'Set-Cookie is dropped',
      (headers: Headers) => headers.delete('set-cookie'),
      'does not arrive',
    ],
    [
      'an attribute is dropped',
      (headers: Headers) => {
        const [cookie] = headers.getSetCookie()
        if (cookie) headers.set('set-cookie', cookie.replace(/;\s*HttpOnly/i, ''))
      },
      'is changed on the way',
    ],
    [
      'a domain is added',
      (headers: Headers) => {
        const [cookie] = headers.getSetCookie()
        if (cookie) headers.set('set-cookie', `${cookie}; Domain=example.com`)
      },
      'is changed on the way',
    ],
  ])('and finds that %s', async (_what, response, text) => {
    const { said } = await examine({ response })
    expect(said.filter(line => line.startsWith('fail'))).toEqual([
      `fail Set-Cookie of a login ${text}`,
    ])
  })

  test('and finds that Cookie is dropped', async () => {
    const { said } = await examine({
      request: headers => {
        delete headers.cookie
      },
    })
    expect(said.at(-1)).toBe('fail Cookie of a login does not come back to the gateway')
  })

  test('and finds that pages are cached', async () => {
    const { said } = await examine({ caches: true })
    expect(said[0]).toBe('fail something in front of the gateway caches pages of a login')
  })

  test('and says where nobody lets it in', async () => {
    const { origin } = await setUp({ response: headers => headers.set('x-a', 'b') })
    const url = origin.replace(/\d+$/, '1')
    expect(await examineCookies(url, `${url}/crm/mcp`)).toMatchObject([{ level: 'fail' }])
  })

  test('and first at what fails besides, where the gateway itself cannot go on', async () => {
    const server = createServer((req, res) => {
      if (req.url === '/register') return void res.writeHead(201).end('{"client_id":"c"}')
      res.writeHead(503).end()
    })
    const { origin, close } = await listen(server, 0, '127.0.0.1')
    onTestFinished(close)
    const [finding] = await examineCookies(origin, `${origin}/crm/mcp`)
    expect(finding?.what).toBe('cookies: /authorize answers 503')
    expect(finding?.fix).toMatch(/^mend what fails above/)
  })
})
