// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ENTRA_FAILURES } from '../../src/upstream/presets/entra-rules.ts'
import { PRESETS } from '../../src/upstream/presets.ts'
import { createCertificate } from '../support/upstreams/certificate.ts'
import { read } from './support.ts'

const FOLDER = new URL('../../docs/upstreams/', import.meta.url)
const pages = readdirSync(FOLDER).filter(file => file !== 'README.md')
const textOf = (file: string): string => readFileSync(new URL(file, FOLDER), 'utf8')
const examplesOf = (file: string): string[] =>
  [...textOf(file).matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => yaml)

const { key, certificate } = createCertificate()
const SURROUNDINGS = {
  env: {
    CLIENT_ID: 'gateway',
    AZURE_CLIENT_ID: 'gateway',
    AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/tokens/azure-identity-token',
  },
  files: {
    '/run/secrets/client': 'upstream-secret',
    '/run/secrets/client.key': key,
    '/run/secrets/client.crt': certificate,
  },
}

describe('docs/upstreams', () => {
  it('has a page for every preset, and the overview leads to it', () => {
    expect(pages.toSorted()).toEqual(
      Object.keys(PRESETS)
        .map(name => `${name}.md`)
        .toSorted(),
    )
    for (const page of pages) expect(textOf('README.md')).toContain(`(${page})`)
  })

  it.each(pages)('%s has examples of its provider that are right as they stand', page => {
    const examples = examplesOf(page)
    expect(examples).not.toHaveLength(0)
    for (const example of examples) {
      expect(`${read(example, SURROUNDINGS).upstream.provider}.md`).toBe(page)
    }
  })

  it.each(pages)('%s says what to do at the vendor, and about its errors', page => {
    expect(textOf(page)).toContain('\n## Troubleshooting\n')
    expect(textOf(page)).toContain('mcp-auth-gateway check')
  })

  it('entra.md explains every code that the gateway tells apart', () => {
    const text = textOf('entra.md')
    const numbers = new Set(text.match(/\d{5,7}/g))
    const range = Array.from({ length: 4 }, (_, index) => `${53_000 + index}`)
    const known = ENTRA_FAILURES.flatMap(({ codes = [] }) => codes)
    expect(text).toContain('53000–53003')
    expect(known.filter(code => !numbers.has(code) && !range.includes(code))).toEqual([])
  })
})
