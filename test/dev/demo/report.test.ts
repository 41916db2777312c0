import { describe, expect, it } from 'vitest'
import { createReport, shorten } from '../../../src/dev/demo/report.ts'

function told(isTTY: boolean): string {
  let text = ''
  const report = createReport({ isTTY, write: part => (text += part) })
  report.title('Title')
  report.step('First')
  report.fact('label', 'value')
  report.exchange('GET /x', 200)
  report.step('Second')
  report.failure('reason')
  return text
}

describe('the report of the demo', () => {
  it('has colours in a terminal and nowhere else', () => {
    const colour = '\u001b['
    expect(told(true)).toContain(colour)
    expect(told(false)).not.toContain(colour)
  })

  it('says the same either way, and numbers its steps', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours.
    expect(told(true).replaceAll(/\u001b\[\d+m/g, '')).toBe(told(false))
    expect(told(false)).toMatch(/ 1 {2}First\n.*label +value\n +GET \/x → 200\n.* 2 {2}Second\n/s)
  })

  it('shows the first eight characters of a secret', () => {
    expect(shorten('0123456789abcdef')).toBe('01234567…')
  })
})
