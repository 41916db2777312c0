import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'docs/known-failures.md'), 'utf8')
const ROW = /^\| (\d+) \|.*\| `([^`]+)`: (.+) \|$/gm

/** Failure, test file, and a part of the title of the test. */
const rows = [...PAGE.matchAll(ROW)].map(([, number = '', file = '', title = '']) => ({
  number: Number(number),
  file,
  title,
}))

describe('docs/known-failures.md', () => {
  it('has a row that can be read for each line of its tables', () => {
    expect(rows.length).toBe(PAGE.split('\n').filter(line => /^\| \d/.test(line)).length)
    expect(new Set(rows.map(({ number }) => number)).size).toBe(rows.length)
  })

  it.each(rows)('$number names a test that exists: $title', ({ file, title }) => {
    const text = readFileSync(join(ROOT, file), 'utf8').replaceAll('\\', '')
    const titles = text.split('\n').filter(line => /['"`]/.test(line))
    expect(titles.some(line => line.includes(title))).toBe(true)
  })
})
