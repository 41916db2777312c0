import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandsOf, findRow, ROWS } from './commands.ts'
import { ROOT, readPages } from './pages.ts'

const commands = readPages().flatMap(commandsOf)
const texts = [...new Set(commands.map(({ text }) => text))]

describe('the commands of the pages', () => {
  it('are found, in blocks and in lines, without their comments', () => {
    expect(texts.length).toBeGreaterThan(40)
    expect(texts).toContain('mcp-auth-gateway doctor --token-file token')
    expect(texts).toContain('redis-cli -u "$REDIS_URL" ping')
    expect(texts.filter(text => text.includes('\\\n'))).toEqual([])
  })

  it('are each run by a test, or there is a reason why that cannot be', () => {
    const unknown = commands.filter(({ text }) => !findRow(text))
    expect(unknown).toEqual([])
  })

  it('are all that the table is about', () => {
    const used = new Set(texts.map(findRow))
    const tolerated = /docker/
    expect(ROWS.filter(row => !used.has(row) && !tolerated.test(row.command.source))).toEqual([])
  })

  it('are mostly run', () => {
    const run = texts.filter(text => 'runs' in (findRow(text) ?? {}))
    expect(run.length).toBeGreaterThan(25)
  })

  it.each(
    ROWS.flatMap(row => ('provedBy' in row ? [[row.provedBy.title, row.provedBy] as const] : [])),
  )('name a test that exists: %s', (title, { file }) => {
    expect(readFileSync(join(ROOT, file), 'utf8')).toContain(title)
  })

  it('give the benchmark only options that it has', () => {
    const source = readFileSync(join(ROOT, 'test/bench/run.ts'), 'utf8')
    const options = texts
      .filter(text => text.startsWith('npm run bench -- '))
      .flatMap(text => [...text.matchAll(/ --(\w+)/g)].map(([, name = '']) => name))
    expect(options.length).toBeGreaterThan(4)
    expect(options.filter(name => !source.includes(`${name}: { type: `))).toEqual([])
  })
})
