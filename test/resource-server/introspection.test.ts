import { describe, expect, it } from 'vitest'
import { GATEWAY_CLIENT } from '../support/external-issuer.ts'
import type { VendorAnswer } from '../support/upstreams/vendor-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { type AdmissionHouse, createAdmissionHouse, OTHER_RESOURCE, RESOURCE } from './house.ts'

const setUp = (size?: number) =>
  createAdmissionHouse({ introspects: true, ...(size !== undefined && { size }) })

/** More strangers than may be asked about at once; the server is silent about them until they are let go. */
function crowd({ issuer, admit }: Pick<AdmissionHouse, 'issuer' | 'admit'>, genuine: string) {
  const gate = Promise.withResolvers<void>()
  issuer.intercept(async ({ form }) => {
    if (form.token !== genuine) await gate.promise
    return undefined
  })
  const strangers = Array.from({ length: 300 }, (_, index) => admit(`made-up-${index}`))
  return { strangers, letGo: gate.resolve }
}

describe('RFC 7662 section 2: introspection', () => {
  it('is asked with the token, a hint and the credentials of the gateway', async () => {
    const { issuer, admit } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({
      outcome: 'admitted',
      claims: { subject: 'alice', clientId: 'a-client', scope: ['crm.read'] },
    })
    const [asked] = issuer.requestsTo('introspection')
    expect(asked?.form).toEqual({ token, token_type_hint: 'access_token' })
    const [, basic = ''] = asked?.headers.authorization?.split(' ') ?? []
    const [id, secret] = Buffer.from(basic, 'base64').toString().split(':')
    const decode = (text = '') => new URLSearchParams(`x=${text}`).get('x')
    expect([decode(id), decode(secret)]).toEqual(Object.values(GATEWAY_CLIENT))
  })

  it('sends its credentials in the form where that is configured, to the endpoint that is', async () => {
    const house = await createAdmissionHouse({ introspects: true })
    const { issuer } = house
    const endpoint = `${issuer.origin}/elsewhere/introspection`
    const introspection = { ...GATEWAY_CLIENT, authMethod: 'client_secret_post', endpoint }
    const server = { issuer: issuer.issuer, introspection }
    const other = await createAdmissionHouse({ server })
    expect(await other.admit(issuer.issue(issuer.claims(RESOURCE)))).toMatchObject({
      outcome: 'admitted',
    })
    const [asked] = issuer.requestsTo('introspection')
    expect(asked).toMatchObject({
      path: '/elsewhere/introspection',
      form: { client_id: 'gateway', client_secret: GATEWAY_CLIENT.clientSecret },
    })
    expect(asked?.headers.authorization).toBeUndefined()
  })

  it.each<[string, Record<string, unknown>]>([
    ['is for another audience', { aud: OTHER_RESOURCE }],
    ['has no audience', { aud: undefined }],
    ['is of another issuer', { iss: 'https://other.example.com' }],
    ['has ended', { exp: 1_899_999_999 }],
    ['is not good yet', { nbf: 1_900_000_100 }],
    ['is a refresh token', { token_type: 'refresh_token' }],
    ['is a refresh token, as Ory Hydra says it', { token_use: 'refresh_token' }],
    ['is an ID token', { nonce: 'n' }],
    ['is bound to a key', { cnf: { jkt: 'k' } }],
  ])('does not help an active token that %s', async (_, changes) => {
    const { issuer, admit } = await setUp()
    const claims = JSON.parse(JSON.stringify(issuer.claims(RESOURCE, changes)))
    expect(await admit(issuer.issue(claims))).toMatchObject({ outcome: 'invalid-token' })
  })

  it('may say what the token is for as Ory Hydra does', async () => {
    const { issuer, admit } = await setUp()
    const claims = issuer.claims(RESOURCE, { token_use: 'access_token', token_type: 'Bearer' })
    expect(await admit(issuer.issue(claims))).toMatchObject({ outcome: 'admitted' })
  })

  it('may leave out issuer and end', async () => {
    const { issuer, admit } = await setUp()
    const { iss: _iss, exp: _exp, ...claims } = issuer.claims(RESOURCE)
    expect(await admit(issuer.issue(claims))).toMatchObject({ outcome: 'admitted' })
  })
})

describe('RFC 7662 section 4: what is remembered of it', () => {
  it('a token is asked about once, until the life of the answer is over', async () => {
    const { issuer, admit, clock } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    await admit(token)
    clock.advance(59)
    await admit(token)
    expect(issuer.requestsTo('introspection')).toHaveLength(1)
    clock.advance(1)
    await admit(token)
    expect(issuer.requestsTo('introspection')).toHaveLength(2)
  })

  it('a revoked token is refused once the life of the answer is over', async () => {
    const { issuer, admit, clock } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    await admit(token)
    issuer.revoke(token)
    clock.advance(59)
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    clock.advance(1)
    expect(await admit(token)).toEqual({ outcome: 'invalid-token', reason: 'not active' })
  })

  it('what the server says of the user anew is what counts, and what was kept for the token before is not given any more', async () => {
    const { issuer, admit, clock, presented } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE, { groups: ['crm'] }))
    const answer = await admit(token)
    const id = answer.outcome === 'admitted' ? answer.claims.grantId : ''
    const before = presented.findGrant(id)
    issuer.intercept(({ path }) => {
      const claims = issuer.claims(RESOURCE, { groups: [] })
      return path === '/introspection' ? { json: { active: true, ...claims } } : undefined
    })
    clock.advance(60)
    await admit(token)
    const after = presented.findGrant(id)
    expect([before?.identity.groups, after?.identity.groups]).toEqual([['crm'], []])
    expect(after?.version).not.toBe(before?.version)
  })

  it('the life of an answer is the configured one', async () => {
    const { issuer, clock } = await setUp()
    const introspection = { ...GATEWAY_CLIENT, cache: '5s' }
    const other = await createAdmissionHouse({ server: { issuer: issuer.issuer, introspection } })
    const token = issuer.issue(issuer.claims(RESOURCE))
    await other.admit(token)
    issuer.revoke(token)
    other.clock.advance(5)
    expect(clock.now()).toBeLessThan(other.clock.now())
    expect(await other.admit(token)).toMatchObject({ outcome: 'invalid-token' })
  })

  it('nothing is remembered beyond the end of the token', async () => {
    const { issuer, admit, clock } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE, { exp: clock.now() + 10 }))
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    clock.advance(10)
    expect(await admit(token)).toEqual({ outcome: 'invalid-token', reason: 'expired' })
  })

  it('a refusal is remembered for a moment only', async () => {
    const { issuer, admit, clock } = await setUp()
    const claims = issuer.claims(RESOURCE)
    for (const _try of [1, 2, 3]) await admit('opaque-later')
    expect(issuer.requestsTo('introspection')).toHaveLength(1)
    issuer.intercept(({ path }) =>
      path === '/introspection' ? { json: { active: true, ...claims } } : undefined,
    )
    clock.advance(1)
    expect(await admit('opaque-later')).toMatchObject({ outcome: 'admitted' })
  })

  it('no more tokens are remembered than there is room for', async () => {
    const { issuer, admit, presented } = await setUp(2)
    const tokens = [1, 2, 3].map(() => issuer.issue(issuer.claims(RESOURCE)))
    const ids: string[] = []
    for (const token of tokens) {
      const answer = await admit(token)
      if (answer.outcome === 'admitted') ids.push(answer.claims.grantId)
    }
    expect(ids.map(id => presented.findGrant(id) !== undefined)).toEqual([false, true, true])
    const [first = ''] = tokens
    expect(await admit(first)).toMatchObject({ outcome: 'admitted' })
    expect(issuer.requestsTo('introspection')).toHaveLength(4)
  })

  it('calls that come together with the same token are one question', async () => {
    const { issuer, admit } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    const gate = Promise.withResolvers<void>()
    issuer.intercept(async ({ path }) => {
      if (path === '/introspection') await gate.promise
      return undefined
    })
    const calls = Array.from({ length: 20 }, () => admit(token))
    await waitFor(() => issuer.requestsTo('introspection').length > 0, { what: 'the question' })
    gate.resolve()
    const answers = await Promise.all(calls)
    expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['admitted']))
    expect(issuer.requestsTo('introspection')).toHaveLength(1)
  })

  it('strangers who make up tokens get no more questions asked at once than there may be', async () => {
    const { issuer, admit } = await setUp()
    await admit(issuer.issue(issuer.claims(RESOURCE)))
    const gate = Promise.withResolvers<void>()
    issuer.intercept(async () => {
      await gate.promise
      return undefined
    })
    const calls = Array.from({ length: 300 }, (_, index) => admit(`made-up-${index}`))
    const first = await Promise.race(calls)
    expect(first).toMatchObject({ outcome: 'unavailable', retryAfterSeconds: 1 })
    gate.resolve()
    const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome)
    expect(outcomes.filter(outcome => outcome === 'unavailable')).toHaveLength(300 - 256)
  })

  it('and do not keep out whoever had a genuine token before, though it must be asked about again', async () => {
    const { issuer, admit, clock } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    await admit(token)
    clock.advance(60)
    const { strangers, letGo } = crowd({ issuer, admit }, token)
    expect(await Promise.race(strangers)).toMatchObject({ outcome: 'unavailable' })
    expect(await admit(token)).toMatchObject({ outcome: 'admitted' })
    letGo()
    await Promise.all(strangers)
  })

  it('and a token that has been revoked is a stranger’s from then on', async () => {
    const { issuer, admit, clock } = await setUp()
    const token = issuer.issue(issuer.claims(RESOURCE))
    await admit(token)
    issuer.revoke(token)
    clock.advance(60)
    expect(await admit(token)).toMatchObject({ outcome: 'invalid-token' })
    clock.advance(60)
    const { strangers, letGo } = crowd({ issuer, admit }, token)
    await Promise.race(strangers)
    expect(await admit(token)).toMatchObject({ outcome: 'unavailable' })
    letGo()
    await Promise.all(strangers)
  })
})

describe('an authorization server that does not answer', () => {
  it.each<[string, VendorAnswer]>([
    ['503', { status: 503, json: {} }],
    ['429', { status: 429, json: {} }],
    ['401, because the secret is wrong', { status: 401, json: { error: 'invalid_client' } }],
    ['a broken connection', { drop: true }],
    ['a page', { body: '<h1>Blocked</h1>', headers: { 'content-type': 'text/html' } }],
    ['no active', { json: {} }],
  ])('is an outage and says nothing about the token: %s', async (_, answer) => {
    const { issuer, admit, clock } = await setUp()
    const known = issuer.issue(issuer.claims(RESOURCE))
    await admit(known)
    const cold = issuer.issue(issuer.claims(RESOURCE))
    issuer.intercept(({ path }) => (path === '/introspection' ? answer : undefined))
    expect(await admit(known)).toMatchObject({ outcome: 'admitted' })
    expect(await admit(cold)).toMatchObject({ outcome: 'unavailable' })
    clock.advance(60)
    expect(await admit(known)).toMatchObject({ outcome: 'unavailable' })
    issuer.intercept(undefined)
    expect(await admit(known)).toMatchObject({ outcome: 'admitted' })
  })

  it('that redirects is one too: nobody else is shown the token and the secret', async () => {
    const { issuer, admit } = await setUp()
    const redirect = `${issuer.origin}/elsewhere/introspection`
    issuer.intercept(({ path }) => (path === '/introspection' ? { redirect } : undefined))
    const token = issuer.issue(issuer.claims(RESOURCE))
    expect(await admit(token)).toMatchObject({ outcome: 'unavailable' })
    expect(issuer.requests.map(({ path }) => path)).not.toContain('/elsewhere/introspection')
  })

  it('whose metadata has no endpoint that a secret may be sent to is one too', async () => {
    const asked: string[] = []
    const send: typeof fetch = (url, init) => {
      asked.push(String(url))
      return fetch(url, init)
    }
    const { issuer, admit } = await createAdmissionHouse({ introspects: true, send })
    issuer.intercept(async ({ path }, proceed) => {
      const answer = await proceed()
      if (!path.startsWith('/.well-known/') || !('json' in answer)) return answer
      const json = { ...Object(answer.json), introspection_endpoint: 'http://idp.invalid/i' }
      return { json }
    })
    expect(await admit(issuer.issue(issuer.claims(RESOURCE)))).toMatchObject({
      outcome: 'unavailable',
    })
    expect(asked).toEqual([`${issuer.origin}/.well-known/openid-configuration`])
  })

  it('is logged without a token or a secret', async () => {
    const { issuer, admit, log } = await setUp()
    issuer.intercept(({ path }) => (path === '/introspection' ? { drop: true } : undefined))
    const token = issuer.issue(issuer.claims(RESOURCE))
    await admit(token)
    expect(log).toContainEqual(expect.objectContaining({ level: 'error' }))
    expect(JSON.stringify(log)).not.toContain(token)
    expect(JSON.stringify(log)).not.toContain(GATEWAY_CLIENT.clientSecret)
  })
})
