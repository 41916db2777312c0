import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readIdentity } from '../../src/upstream/identity.ts'

const known = { iss: 'https://idp.example', sub: 'alice' }

describe('who signed in (OpenID Connect Core section 2)', () => {
  it('keeps further claims that rules look at, and those only', () => {
    const claims = { ...known, department: 'sales', org: { unit: 'a' }, phone_number: '1' }
    expect(readIdentity(claims, undefined, ['department', 'org.unit', 'absent'])?.claims).toEqual({
      department: 'sales',
      'org.unit': 'a',
    })
  })

  it('is what the claims say, and of no other claim anything is kept', () => {
    const claims = {
      ...known,
      email: 'alice@example.com',
      name: 'Alice',
      groups: ['staff'],
      roles: ['admin'],
      nonce: 'n',
      aud: 'gateway',
      phone_number: '1',
    }
    expect(readIdentity(claims)).toEqual({
      issuer: 'https://idp.example',
      subject: 'alice',
      email: 'alice@example.com',
      name: 'Alice',
      groups: ['staff'],
      roles: ['admin'],
    })
  })

  it.each([
    {},
    { iss: 'https://idp.example' },
    { sub: 'alice' },
    { ...known, sub: '' },
    { ...known, sub: 7.5 },
    { ...known, sub: ['alice'] },
    { ...known, iss: null },
  ])('is nobody without an issuer and a subject: %j', claims => {
    expect(readIdentity(claims)).toBeUndefined()
  })

  it.each([
    { email: 7 },
    { name: null },
    { name: ['Alice'] },
    { groups: '' },
    { groups: ['staff', 7] },
    { roles: { admin: true } },
  ])('is told without what is malformed: %j', claims => {
    expect(readIdentity({ ...known, ...claims })).toEqual({
      issuer: known.iss,
      subject: known.sub,
    })
  })

  it('may be numbered, and may have one group that is no list, as some providers write them', () => {
    const identity = readIdentity({ ...known, sub: 583_231, groups: 'admins' })
    expect(identity).toMatchObject({ subject: '583231', groups: ['admins'] })
  })

  it('is made of texts only, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('email', 'name', 'groups', 'roles', 'x'), fc.jsonValue()),
        claims => {
          const { groups = [], roles = [], ...rest } = readIdentity({ ...known, ...claims }) ?? {}
          for (const value of [...Object.values(rest), ...groups, ...roles]) {
            expect(typeof value).toBe('string')
          }
        },
      ),
    )
  })
})
