import { describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import {
  type AdminOperations,
  type AdminOptions,
  createAdminApp,
  type Ended,
} from '../../src/http/admin.ts'

const TOKEN = 'operator-token-of-this-test'
const ENDED = { revoked: 3, unopened: 1, failed: 0 }

function setUp(options: Partial<AdminOptions> = {}, ended: Ended | Promise<Ended> = ENDED) {
  const asked: unknown[] = []
  const note =
    <T>(name: string, answer: T | Promise<T>) =>
    async (...args: unknown[]): Promise<T> => {
      asked.push([name, ...args])
      return answer
    }
  const operations: AdminOperations = {
    list: note('list', []),
    revoke: note('revoke', ended),
    deny: note('deny', ended),
    lift: note('lift', true),
    effectiveConfig: () => 'publicUrl: https://mcp.example.com\n',
    backends: () => [],
    explain: note('explain', { isAllowed: true, steps: [] }),
  }
  const app = createAdminApp({
    operations,
    isLoopback: true,
    createCorrelationId: () => 'correlation-1',
    ...options,
  })
  const get = (path: string, headers: Record<string, string> = {}) =>
    app.request(path, { headers: { host: '127.0.0.1:9090', ...headers } })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    app.request(path, {
      method: 'POST',
      headers: { host: '127.0.0.1:9090', 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  return { asked, get, post }
}

describe('what an operator asks for', () => {
  it.each([
    [{ grant: 'g1' }],
    [{ subject: 'user-1' }],
    [{ subject: 'user-1', issuer: 'https://idp.example.com' }],
    [{ client: 'c1' }],
    [{ everything: true }],
  ])('is done and answered with how many grants it ended: revoke %j', async target => {
    const { asked, post } = setUp()
    const response = await post('/revoke', target)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(ENDED)
    expect(asked).toEqual([['revoke', target, 'correlation-1']])
  })

  it.each([
    ['/revoke', { everything: true }],
    ['/clients/deny', { client: 'c1' }],
  ])('is no success where some grants could not be ended: %s', async (path, body) => {
    const ended = { revoked: 3, unopened: 0, failed: 1 }
    const response = await setUp({}, ended).post(path, body)
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual(ended)
  })

  it.each([
    ['/revoke', {}],
    ['/revoke', { grant: '' }],
    ['/revoke', { everything: false }],
    ['/revoke', { grant: 'g1', everything: true }],
    ['/revoke', { issuer: 'https://idp.example.com' }],
    ['/clients/deny', { client: 'c1', also: 'c2' }],
    ['/clients/lift', []],
  ])('is refused and not done where it is not clear: %s %j', async (path, body) => {
    const { asked, post } = setUp()
    expect((await post(path, body)).status).toBe(400)
    expect(asked).toEqual([])
  })

  it.each(['/grants', '/grants?subject=', '/grants?subject=a&client=b'])(
    'names whose grants are listed: %s',
    async path => {
      const { asked, get } = setUp()
      expect((await get(path)).status).toBe(400)
      expect(asked).toEqual([])
    },
  )
})

describe('a store that does not answer', () => {
  it('is said to be that, with when to come again', async () => {
    const { post } = setUp(
      {},
      Promise.reject(new OutageError('store', 'list grants: secret words')),
    )
    const response = await post('/revoke', { client: 'c1' })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('2')
    const answer = (await response.json()) as Record<string, unknown>
    expect(answer).toEqual({
      error: 'temporarily_unavailable',
      error_description: expect.stringContaining('the store does not answer'),
    })
    expect(JSON.stringify(answer)).not.toContain('secret words')
  })
})

describe('a web page in a browser of this machine', () => {
  it.each([
    ['sends an origin', { origin: 'https://evil.example' }],
    ['even its own', { origin: 'http://127.0.0.1:9090' }],
    ['says that it is of another site', { 'sec-fetch-site': 'cross-site' }],
    ['comes under a name that was rebound to this machine', { host: 'evil.example:9090' }],
    ['hides that name', { host: '127.0.0.1.evil.example' }],
  ])('is refused where it %s', async (_, headers) => {
    const { asked, get, post } = setUp()
    expect((await post('/revoke', { everything: true }, headers)).status).toBe(403)
    expect((await get('/config', headers)).status).toBe(403)
    expect(asked).toEqual([])
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'text/plain;application/json'])(
    'cannot send its form as JSON: %s',
    async type => {
      const { asked, post } = setUp()
      const response = await post('/revoke', { everything: true }, { 'content-type': type })
      expect(response.status).toBe(400)
      expect(asked).toEqual([])
    },
  )

  it('is not allowed to read any answer', async () => {
    const response = await setUp().get('/config')
    expect(response.status).toBe(200)
    expect([...response.headers.keys()].filter(name => name.startsWith('access-control'))).toEqual(
      [],
    )
  })
})

describe('a token', () => {
  it('is asked for where there is one, on every path, before anything is looked at', async () => {
    const { asked, get, post } = setUp({ token: TOKEN })
    for (const path of ['/config', '/backends', '/grants?client=c1', '/nothing']) {
      expect((await get(path)).status).toBe(401)
    }
    const wrong = { authorization: `Bearer ${TOKEN}x` }
    expect((await post('/revoke', { everything: true }, wrong)).status).toBe(401)
    expect(asked).toEqual([])
    expect((await get('/config', { authorization: `Bearer ${TOKEN}` })).status).toBe(200)
  })

  it('lets operators come under any name where it is not loopback', async () => {
    const { get } = setUp({ token: TOKEN, isLoopback: false })
    const headers = { host: 'gateway-1:9090', authorization: `Bearer ${TOKEN}` }
    expect((await get('/config', headers)).status).toBe(200)
  })
})
