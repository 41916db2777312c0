import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NEEDS_SESSION } from '../conformance/requirements.ts'
import { ROOT, readPage } from './pages.ts'

const { text: page } = readPage('docs/conformance.md')
const LINE = /^\| (?!---|requirement).*$/gm
const ROW = /^\| ([^|]+) \| ([^|]*)\| `([^`]+)`: (.+) \|$/

const lines = [...page.matchAll(LINE)].map(([line]) => line)
const rows = lines.flatMap(line => {
  const [, requirement = '', section = '', file = '', title = ''] = ROW.exec(line) ?? []
  return title === '' ? [] : [{ requirement, section, file, title }]
})

/** Whether a file has a text between quotes, which is how a title stands there, from its first to its last letter. */
function hasTitle(file: string, title: string): boolean {
  const path = join(ROOT, file)
  if (!existsSync(path)) return false
  const source = readFileSync(path, 'utf8').replaceAll("\\'", "'")
  return ["'", '"', '`'].some(quote => source.includes(quote + title + quote))
}

describe('docs/conformance.md', () => {
  it('has a row that can be read for each line of its tables', () => {
    expect(rows.length).toBe(lines.length)
    expect(rows.length).toBeGreaterThan(40)
  })

  it.each(rows)('names a test that exists: $title', ({ file, title }) => {
    expect(hasTitle(file, title)).toBe(true)
  })

  it('would be found out with a title that is nowhere, or a part of one', () => {
    const [row] = rows
    expect(hasTitle(row!.file, row!.title.slice(1))).toBe(false)
    expect(hasTitle('test/none.test.ts', row!.title)).toBe(false)
  })

  it('says of every requirement on the protocol where it stands', () => {
    const clients = page.slice(page.indexOf('## Whole clients'))
    const before = rows.filter(({ requirement }) => !clients.includes(requirement))
    expect(before.filter(({ section }) => section.trim() === '')).toEqual([])
  })

  it('lists exactly the failures that the suite’s run expects', () => {
    const list = page.slice(page.indexOf('### Expected failures'))
    const named = [...list.matchAll(/^- `([\w-]+)`$/gm)].map(([, scenario]) => scenario)
    expect(named).toEqual(NEEDS_SESSION)
  })
})
