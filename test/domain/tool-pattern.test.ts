import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createToolPattern } from '../../src/domain/tool-pattern.ts'

describe('a pattern of tools', () => {
  it.each([
    ['export', 'export', true],
    ['export', 'export_all', false],
    ['export', 'Export', false],
    ['export_*', 'export_all', true],
    ['export_*', 'export_', true],
    ['export_*', 'reexport_all', false],
    ['*_export', 'crm_export', true],
    ['*', '', true],
    ['*', 'anything', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['ab*ba', 'aba', false],
    ['a**b', 'ab', true],
    ['a.c', 'abc', false],
    ['a[b]', 'ab', false],
  ])('%s on %s: %s', (pattern, name, matches) => {
    expect(createToolPattern(pattern)(name)).toBe(matches)
  })

  it('matches what the same pattern as a regular expression matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 12 })
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
        expect(createToolPattern(pattern)(name)).toBe(new RegExp(`^${source}$`).test(name))
      }),
      { numRuns: 2000 },
    )
  })

  it('takes no longer for a name made to be tried in many ways', () => {
    const matches = createToolPattern(`${'*a'.repeat(60)}*b`)
    const start = performance.now()
    expect(matches('a'.repeat(100_000))).toBe(false)
    expect(performance.now() - start).toBeLessThan(500)
  })
})
