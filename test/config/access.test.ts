import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { complaints, faultsOf, MINIMAL, readTree } from './support.ts'

const backend = (more: object) => ({
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1/mcp'], ...more }],
})
const accessOf = (more: object) => {
  const [first] = readTree({ ...MINIMAL, ...backend(more) }).backends
  return { scopes: first?.scopes, required: first?.required, tools: first?.tools }
}

describe('scopes of a backend', () => {
  it('are names, all of them defaults', () => {
    expect(accessOf({ scopes: ['crm.read', 'crm.write'] }).scopes).toEqual([
      { name: 'crm.read', isDefault: true, implies: [] },
      { name: 'crm.write', isDefault: true, implies: [] },
    ])
  })

  it('or a section that says more of each', () => {
    const scopes = {
      'crm.read': null,
      'crm.write': { description: 'Change customers', implies: ['crm.read'] },
      'crm.admin': { default: 'false', implies: ['crm.write'] },
    }
    const { 'crm.read': _, ...rest } = scopes
    expect(accessOf({ scopes: { 'crm.read': {}, ...rest } }).scopes).toEqual([
      { name: 'crm.read', isDefault: true, implies: [] },
      {
        ...{ name: 'crm.write', description: 'Change customers' },
        ...{ isDefault: true, implies: ['crm.read'] },
      },
      { name: 'crm.admin', isDefault: false, implies: ['crm.write'] },
    ])
  })

  it.each([
    ['an empty list', { scopes: [] }, 'scopes: needs at least one entry'],
    ['a text', { scopes: 'mcp' }, 'scopes: expected a list of scopes, or a section of them'],
    [
      'a fault in the list',
      { scopes: ['a', 'b c'] },
      'scopes[1]: is not a scope: expected printable ASCII without spaces, " and \\',
    ],
    [
      'a fault in the section',
      { scopes: { a: { default: 1 } } },
      'scopes.a.default: expected true or false',
    ],
    [
      'a name with a blank',
      { scopes: { 'a b': {} } },
      'scopes.a b: is not a scope: expected printable ASCII without spaces, " and \\',
    ],
    [
      'an unknown scope that is required',
      { scopes: ['a'], required: ['b'] },
      'required[0]: is not one of the scopes of this backend',
    ],
    [
      'an unknown implication',
      { scopes: { a: { implies: ['b'] } } },
      'scopes.a.implies[0]: is not one of the scopes of this backend',
    ],
    [
      'a scope that implies itself',
      { scopes: { a: { implies: ['a'] } } },
      'scopes.a.implies: goes round: a → a',
    ],
    [
      'implications that go round',
      { scopes: { a: { implies: ['b'] }, b: { implies: ['a'] } } },
      'scopes.a.implies: goes round: a → b → a',
    ],
    [
      'an unknown scope of a tool',
      { tools: { x: { scopes: ['b'] } } },
      'tools.x.scopes[0]: is not one of the scopes of this backend',
    ],
    [
      'a tool about which nothing is said',
      { tools: { x: {} } },
      'tools.x: says nothing: name scopes, or hide it',
    ],
    [
      'a pattern with a blank',
      { tools: { 'x y': { hidden: true } } },
      'tools.x y: expected the name of a tool: up to 128 printable characters, * for any',
    ],
    ['no section of tools', { tools: ['x'] }, 'tools: expected a section of tools'],
  ])('refuse %s', (_, more, complaint) => {
    expect(complaints(backend(more))).toEqual([`backends[0].${complaint}`])
  })

  it.each([
    ['scopes', { scopes: ['crm.read'], required: ['crm.reed'] }, 'crm.read'],
    ['keys', { scopes: { a: { implys: ['a'] } } }, 'implies'],
  ])('come with a suggestion for misspelt %s', (_, more, suggestion) => {
    const faults = faultsOf(stringify({ ...MINIMAL, ...backend(more) }))
    expect(faults.map(fault => fault.suggestion)).toEqual([suggestion])
  })

  it('are judged for each backend by itself', () => {
    const other = { path: '/wiki/mcp', instances: ['http://wiki/mcp'], scopes: ['wiki'] }
    const { backends } = backend({ scopes: ['crm'], required: ['wiki'] })
    expect(complaints({ backends: [...backends, other] })).toEqual([
      'backends[0].required[0]: is not one of the scopes of this backend',
    ])
  })
})

describe('tools of a backend', () => {
  it('need scopes, or are hidden', () => {
    const tools = { 'export_*': { scopes: ['mcp'] }, debug: { hidden: true } }
    expect(accessOf({ tools }).tools).toEqual({
      'export_*': { scopes: ['mcp'], hidden: false },
      debug: { scopes: [], hidden: true },
    })
  })
})
