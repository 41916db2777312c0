// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import { readFileSync } from 'node:fs'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import { describe, expect, it } from 'vitest'
import { renderEffective } from '../../src/config/effective.ts'
import { renderJsonSchema } from '../../src/config/json-schema.ts'
import { renderReference } from '../../src/config/reference.ts'
import { KEY, MINIMAL, parseYaml, read, readTree } from './support.ts'

const root = new URL('../../', import.meta.url)
const textOf = (file: string): string => readFileSync(new URL(file, root), 'utf8')
const validate = new AjvJsonSchemaValidator().getValidator(
  JSON.parse(textOf('gateway.schema.json')),
)

describe('gateway.schema.json', () => {
  it('is current; `node src/cli/generate.ts` writes it', () => {
    expect(textOf('gateway.schema.json')).toBe(renderJsonSchema())
  })

  it.each([
    ['the development default', parseYaml(textOf('gateway.config.yaml'))],
    ['a minimal configuration', MINIMAL],
    ['an effective configuration', parseYaml(renderEffective(readTree(MINIMAL)))],
    [
      'references wherever a string may stand',
      {
        ...MINIMAL,
        publicUrl: '${URL}',
        keys: ['file:key', '${KEY}'],
        listen: { port: '${PORT:-8080}' },
        log: { level: '${LEVEL}' },
        keepAlive: '${KEEP_ALIVE}',
      },
    ],
  ])('accepts %s', (_, tree) => {
    expect(validate(tree)).toMatchObject({ valid: true })
  })

  it.each([
    ['an unknown key', { ...MINIMAL, publicURL: 'a' }],
    [
      'an unknown key in a backend',
      { ...MINIMAL, backends: [{ ...MINIMAL.backends[0], instanses: [] }] },
    ],
    ['an unknown provider', { ...MINIMAL, upstream: { provider: 'other' } }],
    ['a duration without a unit', { ...MINIMAL, keepAlive: '75' }],
    ['an unknown level', { ...MINIMAL, log: { level: 'verbose' } }],
    ['no backends', { ...MINIMAL, backends: [] }],
    ['nothing', {}],
  ])('refuses %s', (_, tree) => {
    expect(validate(tree)).toMatchObject({ valid: false })
  })
})

describe('docs/configuration.md', () => {
  it('is current; `node src/cli/generate.ts` writes it', () => {
    expect(textOf('docs/configuration.md')).toBe(renderReference())
  })

  it('says of every key what it means', () => {
    expect(renderReference()).not.toMatch(/\|\s*\|$/m)
  })

  it.each([
    'publicUrl',
    'sentinel.nodes',
    'timeouts.headers',
    'timeouts.methods.*.headers',
    'issuers[].clients',
    'sampleBackends',
    'tokenAuthMethod',
  ])('has a row for %s', key => {
    expect(renderReference()).toContain(`\n| \`${key}\` | `)
  })
})

describe('gateway.config.yaml', () => {
  const text = textOf('gateway.config.yaml')

  it('is right, and names its schema to editors in its first line', () => {
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./gateway.schema.json')
    expect(read(text).upstream).toMatchObject({ provider: 'dev', sampleBackends: true })
  })

  it('has an example of Redis that works when it is uncommented', () => {
    const uncommented = text.replaceAll(/^# (redis|keys): /gm, '$1: ')
    const config = read(uncommented, {
      env: { REDIS_URL: 'redis://redis' },
      files: { '/run/secrets/gateway-key': `${KEY}\n` },
    })
    expect(config.redis).toMatchObject({ url: 'redis://redis' })
    expect(config.keys).toHaveLength(1)
  })
})
