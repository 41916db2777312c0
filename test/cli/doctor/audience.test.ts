import { describe, expect, test } from 'vitest'
import { examineAudience } from '../../../src/cli/doctor/audience.ts'
import { upstreamOptions } from '../../authorization-server/support.ts'

const ISSUER = 'https://login.example.com'
const UPSTREAM = upstreamOptions({ issuer: ISSUER, clientId: 'gateway', clientSecret: 'x' }, ISSUER)
const WITH_API = { ...UPSTREAM, scopes: ['openid', 'api://crm/read'] }
const LOGIN = { kind: 'upstream' } as const

const tokenWith = (claims: object) =>
  `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`

const levels = (...args: Parameters<typeof examineAudience>) =>
  examineAudience(...args).map(({ level, what }) => `${level} ${what}`)

describe('the doctor says for whom a backend’s token will be', () => {
  test.each([
    ['a scope of an API', WITH_API],
    ['an audience', { ...UPSTREAM, authorizeParams: { audience: 'https://crm' } }],
    ['a resource', { ...UPSTREAM, codeParams: { resource: 'https://crm' } }],
  ])('where %s names it', (_what, upstream) => {
    expect(levels(LOGIN, upstream, undefined)).toEqual([
      expect.stringMatching(/^ok it gets the token of the login/),
    ])
  })

  test('and warns where nothing does', () => {
    expect(levels(LOGIN, UPSTREAM, undefined)).toEqual([
      expect.stringMatching(
        /^warn .*openid profile email offline_access: none of them names an API/,
      ),
    ])
  })

  test.each([
    [{ kind: 'none' }, 'it gets no token'],
    [{ kind: 'assertion', audience: 'crm', ttlSeconds: 60 }, 'for the audience crm'],
    [{ kind: 'exchange', audience: 'crm', scope: ['a'] }, 'exchanged, audience crm, scopes a'],
    [{ kind: 'onBehalfOf', scope: ['api://crm/.default'] }, 'for the scopes api://crm/.default'],
    [
      { kind: 'refresh', scope: ['b'], params: { audience: 'crm' } },
      'for the scopes b, audience crm',
    ],
  ] as const)('of its credential: %o', (credential, text) => {
    const [finding, ...more] = examineAudience(credential, UPSTREAM, undefined)
    expect([finding?.level, more]).toEqual(['ok', []])
    expect(finding?.what).toContain(text)
  })

  test.each([
    [
      'for the backend',
      { aud: ['api://crm'], iss: ISSUER },
      /^ok the token .* is for api:\/\/crm, from/,
    ],
    [
      'of another issuer',
      { aud: 'api://crm', iss: 'https://other' },
      /^warn .* not from https:\/\/login/,
    ],
    ['for the gateway itself', { aud: 'gateway', iss: ISSUER }, /^warn .* that is this gateway/],
    ['for nobody', { iss: ISSUER }, /^ok .* is for nobody/],
  ])('and reads one that it is given: %s', (_what, claims, said) => {
    expect(levels(LOGIN, WITH_API, tokenWith(claims)).at(-1)).toMatch(said)
  })

  test('and cannot read what is no JWT', () => {
    expect(levels(LOGIN, WITH_API, 'opaque').at(-1)).toMatch(/^ok .* is no JWT/)
  })
})
