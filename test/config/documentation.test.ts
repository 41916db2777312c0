import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LOGINLESS, MINIMAL, parseYaml, readTree } from './support.ts'

const text = readFileSync(new URL('../../docs/clients-registration.md', import.meta.url), 'utf8')
const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(match => match[1] ?? '')
const inline = [...text.matchAll(/`((?:registration|clientDocuments): \{[^`]*\})`/g)].map(
  match => match[1] ?? '',
)

describe('docs/clients-registration.md', () => {
  it('has examples', () => {
    expect(examples).toHaveLength(4)
    expect(inline).toHaveLength(2)
  })

  it.each([...examples, ...inline])('has an example that loads: %s', example => {
    const env = {
      REGISTRATION_TOKEN: 'token',
      AUDIT_SECRET_HASH: `sha256:${'0'.repeat(64)}`,
    }
    const tree = parseYaml(example)
    const config = readTree({ ...MINIMAL, ...tree }, { env })
    expect(config).toMatchObject(
      Object.fromEntries(Object.keys(tree).map(key => [key, expect.anything()])),
    )
  })
})

describe('docs/extensions.md', () => {
  const page = readFileSync(new URL('../../docs/extensions.md', import.meta.url), 'utf8')
  const pageExamples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(match => match[1] ?? '')

  it('has examples', () => {
    expect(pageExamples).toHaveLength(2)
  })

  it.each(pageExamples)('has an example that loads: %s', example => {
    const tree = parseYaml(example)
    const files = { '/run/secrets/client-secret': 'secret' }
    expect(readTree({ ...MINIMAL, ...LOGINLESS, ...tree }, { files })).toMatchObject(
      Object.fromEntries(Object.keys(tree).map(key => [key, expect.anything()])),
    )
  })
})
