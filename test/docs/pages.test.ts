import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { read } from '../config/support.ts'
import { anchorsOf, blocksOf, proseOf, ROOT, readPage, readPages, SURROUNDINGS } from './pages.ts'

const pages = readPages()
const blocks = pages.flatMap(blocksOf)
const configs = blocks.filter(({ language, text }) => language === 'yaml' && isConfig(text))

function isConfig(text: string): boolean {
  return /^(publicUrl|backends|upstream):/m.test(text)
}

function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

/** Why a relative link leads nowhere. */
function findFault(file: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? file : normalize(join(dirname(file), path))
  if (!existsSync(join(ROOT, target))) return `${link}: there is no ${target}`
  if (anchor === undefined || anchorsOf(readPage(target)).includes(anchor)) return undefined
  return `${link}: ${target} has no heading for #${anchor}`
}

describe('every page', () => {
  it.each(pages.map(page => [page.file, page] as const))(
    'has no relative link that leads nowhere: %s',
    (file, page) => {
      const relative = linksOf(proseOf(page)).filter(link => !/^[a-z]+:/.test(link))
      expect(relative.map(link => findFault(file, link)).filter(Boolean)).toEqual([])
    },
  )

  it('is in an overview: docs/README.md, or the one of its folder', () => {
    const overviews = pages.filter(({ file }) => /^docs\/(\w+\/)?README\.md$/.test(file))
    const led = overviews.flatMap(({ file, text }) =>
      linksOf(text).map(link => normalize(join(dirname(file), link.split('#')[0] ?? ''))),
    )
    const files = pages.map(({ file }) => file).filter(file => file !== 'docs/README.md')
    const outside = ['README.md']
    expect(files.filter(file => ![...led, ...outside].includes(file))).toEqual([])
  })

  it('names only npm scripts that exist', () => {
    const named = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => ({ file, script })),
    )
    const scripts = Object.keys(packageJson.scripts)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(({ script }) => !scripts.includes(script))).toEqual([])
  })

  it('names only files of this repository that exist', () => {
    const named = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/`((?:src|test|deploy)\/[\w./-]+)`/g)].map(([, path = '']) => ({
        file,
        path,
      })),
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('has no semicolon in a diagram, where it would end the statement and break the picture', () => {
    const diagrams = blocks.filter(({ language }) => language === 'mermaid')
    expect(diagrams.length).toBeGreaterThan(2)
    expect(diagrams.filter(({ text }) => text.includes(';'))).toEqual([])
  })

  it('knows nothing of where it was written', () => {
    const foreign = /\/work\/|\/root\/|\/home\/\w|\bworktree\b|\bAI\b|\bLLM\b|\bTODO\b|\bTBD\b/
    const lines = pages.flatMap(({ file, text }) =>
      text.split('\n').map((line, index) => `${file}:${index + 1}: ${line}`),
    )
    expect(lines.filter(line => foreign.test(line))).toEqual([])
  })
})

describe('every configuration that is shown', () => {
  it('is found', () => {
    expect(configs.map(({ file }) => file)).toEqual(
      expect.arrayContaining(['README.md', 'docs/getting-started.md', 'docs/operations.md']),
    )
  })

  it.each(configs.map(block => [`${block.file}:${block.line}`, block.text] as const))(
    'loads: %s',
    (_, text) => {
      const config = read(text, SURROUNDINGS)
      expect(config.backends.length).toBeGreaterThan(0)
    },
  )
})
