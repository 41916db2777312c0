import { describe, expect, it } from 'vitest'
import { ENTRA_FAILURES } from '../../src/upstream/presets/entra-rules.ts'
import { PRESETS } from '../../src/upstream/presets.ts'
import { read } from '../config/support.ts'
import { anchorsOf, blocksOf, readPage, readPages, SURROUNDINGS } from './pages.ts'

const FOLDER = 'docs/upstreams/'
const pages = readPages().filter(
  ({ file }) => file.startsWith(FOLDER) && !file.endsWith('README.md'),
)
const named = pages.map(page => [page.file.slice(FOLDER.length, -'.md'.length), page] as const)

describe('docs/upstreams', () => {
  it('has a page for every preset, and the overview leads to it', () => {
    const names = named.map(([name]) => name)
    expect(names.toSorted()).toEqual(Object.keys(PRESETS).toSorted())
    const { text } = readPage(`${FOLDER}README.md`)
    expect(names.filter(name => !text.includes(`(${name}.md)`))).toEqual([])
  })

  it.each(named)('%s has examples, and each is of that provider', (name, page) => {
    const examples = blocksOf(page).filter(({ language }) => language === 'yaml')
    expect(examples).not.toHaveLength(0)
    const providers = examples.map(({ text }) => read(text, SURROUNDINGS).upstream?.provider)
    expect(new Set(providers)).toEqual(new Set([name]))
  })

  it.each(named)('%s says what to register at the vendor, and about its errors', (_, page) => {
    expect(anchorsOf(page)).toContain('troubleshooting')
    expect(page.text).toContain('mcp-auth-gateway check')
  })

  it('entra explains every code that the gateway tells apart', () => {
    const { text } = readPage(`${FOLDER}entra.md`)
    const explained = new Set([
      ...(text.match(/\d{5,7}/g) ?? []),
      // As the range 53000–53003.
      ...['53001', '53002'],
    ])
    const known = ENTRA_FAILURES.flatMap(({ codes = [] }) => codes)
    expect(known.filter(code => !explained.has(code))).toEqual([])
  })
})
