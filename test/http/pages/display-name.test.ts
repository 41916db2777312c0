import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { displayName } from '../../../src/http/pages/display-name.ts'

const graphemes = (text: string) => [...new Intl.Segmenter('en').segment(text)].length

describe('a name that a stranger chose', () => {
  it.each([
    ['an honest name stays as it is', 'Claude Code (crm)', 'Claude Code (crm)'],
    ['other scripts stay', '顧客管理 العملاء Клиенты', '顧客管理 العملاء Клиенты'],
    ['accents stay, composed or not', 'Zoe\u0308 café', 'Zoe\u0308 café'],
    ['markup is text', '<b>"x"</b>', '<b>"x"</b>'],
    ['overrides of direction go', 'app\u202Eterces\u202C\u2066x\u2069', 'apptercesx'],
    ['zero-width characters go', 'C\u200Bl\u200Da\uFEFFu\u2060de', 'Claude'],
    ['characters that are drawn as nothing go', '\u3164A\u115F\uFFA0\u{E0041}B\u00AD', 'AB'],
    ['blanks of every kind become one space', ' a\u00A0\u3000\u2800\t\r\n b\u2028c ', 'a b c'],
    ['control characters go', 'a\u0000\u001B[31mb\u007F', 'a[31mb'],
    ['half surrogates go', 'a\uD83Db\uDE00', 'ab'],
    ['a tower of accents is cut', `o${'\u0301'.repeat(60)}k`, `o${'\u0301'.repeat(4)}k`],
  ])('%s', (_rule, given, shown) => {
    expect(displayName(given)).toBe(shown)
  })

  it.each(['', '   ', '\u200B\u202E\u3164', '\u0000', '\u2800'])(
    'is no name where nothing of it is visible: %j',
    name => {
      expect(displayName(name)).toBeUndefined()
    },
  )

  it('is cut at 80 characters as a reader counts them, with an ellipsis', () => {
    expect(displayName('x'.repeat(80))).toBe('x'.repeat(80))
    expect(displayName('x'.repeat(81))).toBe(`${'x'.repeat(79)}…`)
    expect(displayName('🇪🇺'.repeat(81))).toBe(`${'🇪🇺'.repeat(79)}…`)
  })

  it('shows at most one line of 80 visible characters, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1500 }), name => {
        const shown = displayName(name)
        if (shown === undefined) return
        expect(shown).not.toMatch(/[\p{C}\p{Default_Ignorable_Code_Point}\n\r\t]/u)
        expect(shown).toBe(shown.trim())
        expect(graphemes(shown)).toBeLessThanOrEqual(80)
      }),
    )
  })
})
