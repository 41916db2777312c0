import { describe, expect, it } from 'vitest'
import { complaints, MINIMAL, readTree } from './support.ts'

const backend = (allow: unknown) => ({
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1/mcp'], allow }],
})

describe('who a backend lets in', () => {
  it('is any or all of a list of conditions, one level deeper too', () => {
    const allow = {
      any: [
        { group: 'crm' },
        { all: [{ emailDomain: 'Example.com' }, { claim: 'department', value: 'sales' }] },
      ],
    }
    const [first] = readTree({ ...MINIMAL, ...backend(allow) }).backends
    expect(first?.allow).toEqual({
      any: [
        { group: 'crm' },
        { all: [{ emailDomain: 'example.com' }, { claim: 'department', value: 'sales' }] },
      ],
    })
  })

  it.each([
    ['nothing', {}, 'allow: says nothing: expected one of any, all'],
    ['no conditions', { any: [] }, 'allow.any: needs at least one entry'],
    [
      'an empty condition',
      { any: [{}] },
      'allow.any[0]: says nothing: expected one of group, role, emailDomain, claim, any, all',
    ],
    [
      'both',
      { any: [{ group: 'a' }], all: [{ group: 'b' }] },
      'allow: takes one of these, and has any and all',
    ],
    [
      'two conditions in one',
      { all: [{ group: 'a', role: 'b' }] },
      'allow.all[0]: takes one of these, and has group and role',
    ],
    [
      'a condition beside a list',
      { all: [{ group: 'a', any: [{ role: 'b' }] }] },
      'allow.all[0]: takes one of these, and has group and any',
    ],
    ['a claim without a value', { any: [{ claim: 'a' }] }, 'allow.any[0].claim: needs a value'],
    [
      'a value without a claim',
      { any: [{ group: 'a', value: 'b' }] },
      'allow.any[0].value: belongs to a claim',
    ],
    [
      'an address for a domain',
      { any: [{ emailDomain: '@example.com' }] },
      'allow.any[0].emailDomain: expected a domain such as example.com',
    ],
  ])('is refused with %s', (_, allow, complaint) => {
    expect(complaints(backend(allow))).toEqual([`backends[0].${complaint}`])
  })
})
