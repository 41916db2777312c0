import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isArray,
  membersOf,
  readJson,
  type Span,
  stringAt,
  withoutItems,
} from '../../src/proxy/json-text.ts'

/** Puts a value together again from what `membersOf` finds in its text. */
function rebuild(text: string, span: Span): unknown {
  const members = membersOf(text, span)
  if (isArray(text, span)) return members.map(member => rebuild(text, member))
  if (text[span.start] !== '{') return JSON.parse(text.slice(span.start, span.end))
  return Object.fromEntries(members.map(member => [member.key, rebuild(text, member)]))
}

const spaced = fc.tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t'))

describe('RFC 8259: spans of a JSON text', () => {
  it('hold the same value as the text', () => {
    fc.assert(
      fc.property(spaced, ([value, indent]) => {
        const text = ` \r\n${JSON.stringify(value, null, indent)}\t`
        expect(rebuild(text, readJson(text)!)).toEqual(JSON.parse(text))
      }),
      { numRuns: 1000 },
    )
  })

  it.each(['', '{', '{"a":1}}', "{'a':1}", '[1,]', '\ufeff{}', 'undefined', '{"a":01}'])(
    'do not exist in %j',
    text => {
      expect(readJson(text)).toBeUndefined()
    },
  )

  it('show repeated keys, and keys that are written with escapes', () => {
    const text = String.raw`{"name":"safe","n\u0061me":"other","x\"y\\":{}}`
    const members = membersOf(text, readJson(text)!)
    expect(members.map(({ key }) => key)).toEqual(['name', 'name', 'x"y\\'])
    expect(members.map(member => stringAt(text, member))).toEqual(['safe', 'other', undefined])
  })

  it('are found in a text that is nested deeper than a stack', () => {
    const text = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)},"b":1}`
    expect(membersOf(text, readJson(text)!).map(({ key }) => key)).toEqual(['a', 'b'])
  })

  it('leave every byte of the items that stay', () => {
    const text = '[ 1.00 , "a,]" ,{"x" : 12345678901234567890}, 2 ]'
    const array = readJson(text)!
    expect(withoutItems(text, array, item => text[item.start] === '2')).toBe(
      '[1.00,"a,]",{"x" : 12345678901234567890}]',
    )
    expect(withoutItems(text, array, () => false)).toBe(text)
    expect(withoutItems(text, array, () => true)).toBe('[]')
  })
})
