import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { Agent, fetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { launchChromium } from '../support/chromium.ts'
import { findFreePorts } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { createSelfSigned } from '../support/self-signed.ts'
import { withPage } from './support.ts'

let browser: Browser
let callback: Listening
let arrived: URLSearchParams[]
beforeAll(async () => {
  arrived = []
  const app = createServer((req, res) => {
    const url = new URL(req.url ?? '', 'http://app')
    if (url.pathname === '/callback') arrived.push(url.searchParams)
    res.writeHead(200, { 'content-type': 'text/html' }).end('<title>app</title><h1>Back</h1>')
  })
  callback = await listen(app, 0, '127.0.0.1')
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await callback?.close()
})

/** A gateway that ends TLS itself, at https://localhost. */
async function setUp() {
  const [port, opsPort] = await findFreePorts(2)
  const origin = `https://localhost:${port}`
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const certificate = createSelfSigned(['localhost'])
  const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  await writeFile(cert, certificate.cert)
  await writeFile(key, certificate.key)
  const idp = await startOidcProvider({ redirectUris: [`${origin}/callback`] })
  onTestFinished(idp.close)
  const { issuer, clientId, clientSecret } = idp
  const gateway = await startGateway({
    config: {
      publicUrl: origin,
      listen: { host: '127.0.0.1', port, tls: { cert: `file:${cert}`, key: `file:${key}` } },
      ops: { port: opsPort },
      upstream: { provider: 'oidc', issuer, clientId, clientSecret },
      backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
    },
  })
  onTestFinished(gateway.kill)
  const dispatcher = new Agent({ connect: { ca: certificate.cert } })
  onTestFinished(() => dispatcher.close())
  const post = async (path: string, body: string | URLSearchParams, type?: string) => {
    const headers = type === undefined ? {} : { 'content-type': type }
    const response = await fetch(origin + path, { method: 'POST', headers, body, dispatcher })
    return (await response.json()) as Record<string, string>
  }
  return { origin, post }
}

describe('a sign-in over TLS in a real browser', () => {
  it('rests on __Host- cookies, which nothing but the gateway’s own host over TLS could have set', async () => {
    const { origin, post } = await setUp()
    const redirectUri = `${callback.origin}/callback`
    const { client_id: clientId = '' } = await post(
      '/register',
      JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
      'application/json',
    )
    const verifier = createSecret()
    const query = new URLSearchParams({
      ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri },
      ...{ code_challenge_method: 'S256', state: 'a-state', resource: `${origin}/crm/mcp` },
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    })
    await withPage(browser, { ignoreHTTPSErrors: true }, async page => {
      await page.goto(`${origin}/authorize?${query}`)
      const cookies = await page.context().cookies(origin)
      expect(cookies.length).toBeGreaterThan(0)
      for (const { name, secure, httpOnly, path, sameSite } of cookies) {
        expect(name).toMatch(/^__Host-/)
        expect({ secure, httpOnly, path, sameSite }).toEqual({
          ...{ secure: true, httpOnly: true, path: '/', sameSite: 'Lax' },
        })
      }
      await page.getByRole('button', { name: 'Approve' }).click()
      await page.getByRole('heading', { name: 'Back' }).waitFor()
    })
    const answer = arrived.find(parameters => parameters.get('state') === 'a-state')
    expect(answer?.get('iss')).toBe(origin)
    const tokens = await post(
      '/token',
      new URLSearchParams({
        ...{ grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri },
        ...{ code: answer?.get('code') ?? '', code_verifier: verifier },
      }),
    )
    expect(tokens).toMatchObject({ token_type: 'Bearer' })
  })
})
