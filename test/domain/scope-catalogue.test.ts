import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createScopeCatalogue,
  findImplicationCycle,
  type ScopeDefinition,
} from '../../src/domain/scope-catalogue.ts'

const scope = (name: string, more: Partial<ScopeDefinition> = {}): ScopeDefinition => ({
  ...{ name, isDefault: true, implies: [] },
  ...more,
})

const CRM = createScopeCatalogue(
  [
    scope('crm.read', { description: 'Read customers' }),
    scope('crm.write', { implies: ['crm.read'] }),
    scope('crm.admin', { isDefault: false, implies: ['crm.write'] }),
    scope('crm.export', { isDefault: false }),
  ],
  ['crm.read'],
)

describe('a scope catalogue', () => {
  it('has everything that may be asked for, and apart from it what is given unasked', () => {
    expect(CRM.names).toEqual(['crm.read', 'crm.write', 'crm.admin', 'crm.export'])
    expect(CRM.defaults).toEqual(['crm.read', 'crm.write'])
  })

  it('gives what is required unasked, even where it is no default', () => {
    const catalogue = createScopeCatalogue([scope('a'), scope('b', { isDefault: false })], ['b'])
    expect(catalogue.defaults).toEqual(['a', 'b'])
  })

  it('describes what the configuration describes', () => {
    expect(CRM.describe('crm.read')).toBe('Read customers')
    expect(CRM.describe('crm.write')).toBeUndefined()
    expect(CRM.describe('unknown')).toBeUndefined()
  })

  it.each([
    ['the scope itself', ['crm.export'], ['crm.export'], []],
    ['what it implies', ['crm.write'], ['crm.read'], []],
    ['what that implies', ['crm.admin'], ['crm.read', 'crm.write'], []],
    ['not what implies it', ['crm.read'], ['crm.write'], ['crm.write']],
    ['nothing by nothing', [], ['crm.read'], ['crm.read']],
    ['nothing by a scope that is no longer configured', ['old'], ['crm.read'], ['crm.read']],
    ['only what is missing', ['crm.write'], ['crm.read', 'crm.export'], ['crm.export']],
  ])('counts as held: %s', (_, held, needed, missing) => {
    expect(CRM.findMissing(held, needed)).toEqual(missing)
  })

  it('expands to everything that is held, each once', () => {
    expect(CRM.expand(['crm.admin', 'crm.read'])).toEqual(['crm.admin', 'crm.read', 'crm.write'])
  })

  it('misses nothing of what it has expanded to', () => {
    const anyScope = fc.subarray([...CRM.names])
    fc.assert(
      fc.property(anyScope, held => {
        expect(CRM.findMissing(held, CRM.expand(held))).toEqual([])
      }),
    )
  })
})

describe('implications', () => {
  const cycleOf = (implications: Record<string, string[]>) =>
    findImplicationCycle(new Map(Object.entries(implications)))

  it.each([
    ['itself', { a: ['a'] }, ['a', 'a']],
    ['each other', { a: ['b'], b: ['a'] }, ['a', 'b', 'a']],
    ['a longer round, from outside', { x: ['a'], a: ['b', 'c'], c: ['a'] }, ['a', 'c', 'a']],
  ])('go round: %s', (_, implications, cycle) => {
    expect(cycleOf(implications)).toEqual(cycle)
  })

  it('may meet again without going round', () => {
    expect(cycleOf({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] })).toBeUndefined()
  })
})
