import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAdmission, parseBearer } from '../../src/proxy/admission.ts'
import { watchOne } from '../support/watched-cache.ts'
import {
  type Ask,
  ask,
  claims,
  GOOD_TOKEN,
  RESOURCE,
  startBackend,
  startGateway,
} from './support.ts'

describe('RFC 6750 section 2.1: the bearer token in the Authorization field', () => {
  test.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER abc', 'abc'],
    ['Bearer   abc  ', 'abc'],
    ['Bearer a.b-c_d~e+f/g==', 'a.b-c_d~e+f/g=='],
  ])('reads %j', (field, token) => {
    expect(parseBearer(field)).toEqual({ outcome: 'presented', token })
  })

  test.each([undefined, '', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', 'Bearerabc', 'abc'])(
    'takes %j for no bearer token',
    field => {
      expect(parseBearer(field)).toEqual({ outcome: 'absent' })
    },
  )

  test.each([
    'Bearer a b',
    'Bearer a,b',
    'Bearer "abc"',
    'Bearer =abc',
    'Bearer \u00e9',
    'Bearer a\tb',
  ])('takes %j for a malformed token', field => {
    expect(parseBearer(field)).toEqual({ outcome: 'malformed' })
  })

  test('never throws, whatever is sent', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(text => `Bearer ${text}`),
        ),
        field => {
          expect(['absent', 'malformed', 'presented']).toContain(parseBearer(field).outcome)
        },
      ),
    )
  })
})

describe('admission', () => {
  function setUp(change = {}) {
    const verified: string[] = []
    const clock = { now: 1_800_000_000 }
    const admission = createAdmission({
      verifyAccessToken: async token => {
        verified.push(token)
        return token.startsWith('good') ? claims(change) : undefined
      },
      now: () => clock.now,
      cacheSize: 2,
    })
    return { admission, verified, clock }
  }

  test('verifies a token once, then answers without a promise', async () => {
    const { admission, verified } = setUp()
    expect(admission.peek('Bearer good', RESOURCE)).toBeUndefined()
    await admission.resolve('Bearer good', RESOURCE)
    expect(admission.peek('Bearer good', RESOURCE)).toMatchObject({ outcome: 'admitted' })
    expect(verified).toEqual(['good'])
  })

  test('refuses a remembered token from the second of its exp on', async () => {
    const { admission, clock } = setUp({ expiresAt: 1_800_000_010 })
    await admission.resolve('Bearer good', RESOURCE)
    clock.now = 1_800_000_009.9
    expect(admission.peek('Bearer good', RESOURCE)?.outcome).toBe('admitted')
    clock.now = 1_800_000_010
    expect(admission.peek('Bearer good', RESOURCE)?.outcome).toBe('invalid-token')
  })

  test('opens with a remembered token only the resource that it was issued for', async () => {
    const { admission } = setUp()
    await admission.resolve('Bearer good', RESOURCE)
    expect(admission.peek('Bearer good', `${RESOURCE}/other`)?.outcome).toBe('invalid-token')
  })

  test('remembers no token that is not genuine', async () => {
    const { admission, verified } = setUp()
    await admission.resolve('Bearer forged', RESOURCE)
    const again = await admission.resolve('Bearer forged', RESOURCE)
    expect(again.outcome).toBe('invalid-token')
    expect(admission.peek('Bearer forged', RESOURCE)).toBeUndefined()
    expect(verified).toEqual(['forged', 'forged'])
  })

  test.each([
    ['another beginning', (genuine: string) => `evil${genuine.slice(4)}`],
    ['another character in the middle', (genuine: string) => genuine.replace('M', 'm')],
    ['more before it', (genuine: string) => `x${genuine}`],
    ['nothing but its end', (genuine: string) => genuine.slice(-24)],
  ])(
    'takes a token for a genuine one only as a whole: with %s it is verified itself',
    async (_what, forge) => {
      const { admission, verified } = setUp()
      const genuine = `good${'a'.repeat(30)}M${'z'.repeat(40)}`
      await admission.resolve(`Bearer ${genuine}`, RESOURCE)
      const field = `Bearer ${forge(genuine)}`
      expect(admission.peek(field, RESOURCE)).toBeUndefined()
      await admission.resolve(field, RESOURCE)
      expect(verified).toEqual([genuine, forge(genuine)])
      expect(admission.peek(forge(genuine).slice(-24), RESOURCE)).toBeUndefined()
    },
  )

  test('remembers no more tokens than it may', async () => {
    const { admission } = setUp()
    for (const token of ['good1', 'good2', 'good3'])
      await admission.resolve(`Bearer ${token}`, RESOURCE)
    expect(admission.peek('Bearer good1', RESOURCE)).toBeUndefined()
    expect(admission.peek('Bearer good3', RESOURCE)).toBeDefined()
  })
})

describe('a call', () => {
  test.each<[string, Ask]>([
    ['a token in its query too', { path: '/crm/mcp?access_token=good-token' }],
    ['two tokens', { headers: { authorization: `Bearer ${GOOD_TOKEN}` } }],
  ])('with %s is refused, whether its token is known yet or not', async (_what, ambiguous) => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url] })
    expect((await ask(gateway, ambiguous)).status).toBe(400)
    expect((await ask(gateway)).status).toBe(200)
    expect((await ask(gateway, ambiguous)).status).toBe(400)
    expect(backend.seen).toHaveLength(1)
  })

  test.each([
    ['is admitted', 200, claims({})],
    ['is refused by what is remembered of its token', 401, claims({ resource: 'another' })],
  ])(
    'counts once among the look-ups of its token, where it %s',
    async (_what, status, verified) => {
      const { watch: watchCache, counted } = watchOne('access_tokens')
      const verifyAccessToken = async () => verified
      const now = () => 1_800_000_000
      const admission = createAdmission({ verifyAccessToken, now, watchCache })
      const backend = await startBackend()
      const gateway = await startGateway({ instances: [backend.url], proxy: { admission } })
      expect((await ask(gateway)).status).toBe(status)
      expect(counted()).toEqual([0, 1])
      expect((await ask(gateway)).status).toBe(status)
      expect(counted()).toEqual([1, 1])
    },
  )
})
