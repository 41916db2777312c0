import { describe, expect, it } from 'vitest'
import { type AccessRule, claimsOf, judgeIdentity } from '../../src/domain/access-rule.ts'
import type { Identity } from '../../src/domain/grant.ts'

const alice: Identity = {
  issuer: 'https://idp.example.com',
  subject: 'alice',
  email: 'alice@Example.com',
  groups: ['crm', 'staff'],
  roles: ['Reader'],
  claims: { department: 'sales', sites: ['berlin', 7], isEmployee: true, nested: { a: 'b' } },
}
const nobody: Identity = { issuer: 'https://idp.example.com', subject: 'nobody' }
const outcomeOf = (rule: AccessRule, identity: Identity = alice) =>
  judgeIdentity(rule, identity).outcome

describe('a rule about an identity', () => {
  it.each<[AccessRule]>([
    [{ group: 'crm' }],
    [{ role: 'Reader' }],
    [{ emailDomain: 'example.com' }],
    [{ emailDomain: 'EXAMPLE.COM' }],
    [{ claim: 'department', value: 'sales' }],
    [{ claim: 'sites', value: 'berlin' }],
    [{ claim: 'sites', value: '7' }],
    [{ claim: 'isEmployee', value: 'true' }],
    [{ any: [{ group: 'none' }, { role: 'Reader' }] }],
    [{ all: [{ group: 'crm' }, { any: [{ role: 'x' }, { emailDomain: 'example.com' }] }] }],
  ])('is met by what the upstream says: %j', rule => {
    expect(outcomeOf(rule)).toBe('allowed')
    expect(outcomeOf(rule, nobody)).toBe('denied')
  })

  it.each<[AccessRule, string]>([
    [{ group: 'CRM' }, 'not group CRM'],
    [{ role: 'reader' }, 'not role reader'],
    [{ emailDomain: 'ample.com' }, 'not email domain ample.com'],
    [{ claim: 'nested', value: '[object Object]' }, 'not claim nested with [object Object]'],
    [{ claim: 'toString', value: 'x' }, 'not claim toString with x'],
    [{ any: [{ group: 'a' }, { role: 'b' }] }, 'not group a; not role b'],
    [{ all: [{ group: 'crm' }, { role: 'b' }] }, 'not role b'],
  ])('names what is not met: %j', (rule, reason) => {
    expect(judgeIdentity(rule, alice)).toEqual({ outcome: 'denied', reason })
  })

  it.each([
    'a@example.com@evil.example',
    'example.com',
    '@example.com',
    'a@sub.example.com',
    'a@evil-example.com',
  ])('takes the domain of an address for what follows its last at sign: %s', email => {
    expect(outcomeOf({ emailDomain: 'example.com' }, { ...nobody, email })).toBe('denied')
  })

  it('takes groups that did not fit into the token for no membership, whatever else the token lists', () => {
    const crowded: Identity = { ...alice, groupsOverage: true }
    expect(judgeIdentity({ group: 'crm' }, crowded)).toEqual({
      outcome: 'denied',
      reason: 'group crm: too many groups for the token',
    })
    expect(outcomeOf({ any: [{ group: 'crm' }, { role: 'Reader' }] }, crowded)).toBe('allowed')
  })

  it('says which claims it needs', () => {
    const rule: AccessRule = {
      all: [
        { group: 'a' },
        {
          any: [
            { claim: 'x', value: '1' },
            { claim: 'y', value: '2' },
          ],
        },
      ],
    }
    expect(claimsOf(rule)).toEqual(['x', 'y'])
  })
})
