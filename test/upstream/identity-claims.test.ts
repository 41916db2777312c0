import { describe, expect, it } from 'vitest'
import { readIdentity, STANDARD_CLAIMS } from '../../src/upstream/identity.ts'
import { PRESETS } from '../../src/upstream/presets.ts'

const CLAIMS = { iss: 'https://login.example.com', sub: 'alice' }

describe('the claims of an identity', () => {
  it('has no e-mail address that its owner has not confirmed', () => {
    const email = 'a@example.com'
    expect(readIdentity({ ...CLAIMS, email, email_verified: false })).not.toHaveProperty('email')
    expect(readIdentity({ ...CLAIMS, email, email_verified: true })).toMatchObject({ email })
  })

  it.each([
    ['a namespaced claim', 'https://example.com/groups', { 'https://example.com/groups': ['a'] }],
    ['a path', 'realm_access.roles', { realm_access: { roles: ['a'] } }],
    ['a claim whose name has a colon', 'cognito:groups', { 'cognito:groups': ['a'] }],
    ['a list of one as a text', 'groups', { groups: 'a' }],
  ])('takes groups from %s', (_, groups, claims) => {
    expect(readIdentity({ ...CLAIMS, ...claims }, { ...STANDARD_CLAIMS, groups })?.groups).toEqual([
      'a',
    ])
  })

  it('takes nothing from the prototype of an object', () => {
    const names = { ...STANDARD_CLAIMS, name: 'constructor.name' }
    expect(readIdentity(CLAIMS, names)).not.toHaveProperty('name')
  })
})

describe('more groups than fit into a token (OpenID Connect Core section 5.6.2)', () => {
  it('is said, and is not the same as no groups', () => {
    const overage = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: {} } }
    expect(readIdentity({ ...CLAIMS, ...overage })).toMatchObject({ groupsOverage: true })
    expect(readIdentity({ ...CLAIMS, hasgroups: true })).toMatchObject({ groupsOverage: true })
  })

  it('is not said of other claims that are elsewhere', () => {
    const elsewhere = { _claim_names: { address: 'src1' } }
    expect(readIdentity({ ...CLAIMS, ...elsewhere })).not.toHaveProperty('groupsOverage')
    expect(readIdentity({ ...CLAIMS, groups: [] })).not.toHaveProperty('groupsOverage')
  })
})

describe('the subject', () => {
  it('is tenant and object at Entra: sub is neither stable nor unique', () => {
    const { claims } = PRESETS.entra
    expect(readIdentity({ ...CLAIMS, tid: 't', oid: 'o' }, claims)?.subject).toBe('t:o')
    expect(readIdentity({ ...CLAIMS, tid: 't' }, claims)).toBeUndefined()
  })

  it('is the number of the account at GitHub, since names change hands', () => {
    const { claims } = PRESETS.github
    const user = { iss: 'https://github.com/login/oauth', id: 583231, login: 'octo', email: null }
    expect(readIdentity(user, claims)).toEqual({
      issuer: user.iss,
      subject: '583231',
      name: 'octo',
    })
  })
})
