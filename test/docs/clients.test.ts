import { describe, expect, it } from 'vitest'
import { CLIENT_GUIDES } from '../../src/http/pages/clients.ts'
import { blocksOf, readPage } from './pages.ts'

const ENDPOINT = { name: 'crm', url: 'https://mcp.example.com/crm/mcp' }

const page = readPage('docs/clients.md')
const sections = page.text.split(/^## /m)

describe('docs/clients.md says what the gateway’s own page says', () => {
  it.each(CLIENT_GUIDES.map(guide => [guide.label, guide] as const))('%s', (label, guide) => {
    const section = sections.find(text => text.startsWith(`${label}\n`)) ?? ''
    const blocks = blocksOf({ file: page.file, text: section }).map(({ text }) => text.trimEnd())
    for (const part of guide.steps(ENDPOINT).flat()) {
      expect(section).toContain(part.text)
      if (part.kind === 'copy') expect(blocks).toContain(part.content)
    }
  })

  it('has no client that the page does not have', () => {
    const labels = sections.slice(1).map(text => text.split('\n')[0])
    expect(labels).toEqual([...CLIENT_GUIDES.map(({ label }) => label), 'Any other client'])
  })
})
