import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { ROOT, readPage } from './pages.ts'

const [production = '', development = ''] =
  readPage('docs/dependencies.md').text.split(/^## In development/m)
const sources = ['src', 'test']
  .flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => /\.[jt]s$/.test(file))
      .map(file => readFileSync(join(ROOT, folder, file), 'utf8')),
  )
  .join('\n')

function rowsOf(part: string): { name: string; row: string }[] {
  return [...part.matchAll(/^\| `([^`]+)` \|.*$/gm)].map(([row, name = '']) => ({ name, row }))
}

describe('docs/dependencies.md', () => {
  it('has a row for each dependency of the process, and for nothing else', () => {
    const names = rowsOf(production).map(({ name }) => name)
    expect(names).toEqual(Object.keys(packageJson.dependencies).sort())
  })

  it('has a row for each dependency of development, and for nothing else', () => {
    const names = rowsOf(development).map(({ name }) => name)
    expect(names).toEqual(Object.keys(packageJson.devDependencies).sort())
  })

  it('says of none that nothing imports it where something does', () => {
    const rows = rowsOf(production + development)
    const unused = rows.filter(({ row }) => row.includes('Nothing imports it today'))
    const imported = unused.filter(({ name }) =>
      new RegExp(`(from|import\\(|require\\() ?'${name}(/[^']*)?'`).test(sources),
    )
    expect(imported).toEqual([])
  })
})
