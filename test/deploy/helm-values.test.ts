import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import gatewaySchema from '../../gateway.schema.json' with { type: 'json' }
import { secretPaths } from '../support/helm/secret-paths.ts'
import { readValuesSchema } from '../support/helm/values-schema.ts'
import { REQUIRED, SECRETS, type Values } from './chart-cases.ts'

const CHART = join(import.meta.dirname, '../../deploy/helm/mcp-auth-gateway')

describe('the schema of its values', () => {
  it.each(secretPaths(gatewaySchema))('refuses a secret that is written out: %s', async path => {
    const schema = await readValuesSchema(CHART)
    const reference = place(path, `file:${SECRETS}/x`)
    expect(schema.safeParse(reference).error?.issues).toBeUndefined()
    expect(schema.safeParse(place(path, `\${SECRET}`)).success).toBe(true)
    const value = path === 'redis.url' ? 'redis://:secret@redis:6379' : 'written-out'
    expect(schema.safeParse(place(path, value)).success).toBe(false)
  })

  it.each([
    ['a key that it does not know', { replicas: 3 }],
    ['the development identity provider', { config: { upstream: { provider: 'dev' } } }],
    ['a public URL without TLS', { config: { publicUrl: 'http://mcp.example.com' } }],
    ['no Secret', { existingSecret: '' }],
  ])('refuses %s', async (_, change) => {
    const config = { ...REQUIRED.config, ...('config' in change ? change.config : {}) }
    const schema = await readValuesSchema(CHART)
    expect(schema.safeParse({ ...REQUIRED, ...change, config }).success).toBe(false)
  })
})

/** The required values with another one at `path`, whose `*` is any name and `0` a list. */
function place(path: string, value: string): Values {
  const [first = '', ...rest] = path.replace('*', 'any').split('.')
  const tree = rest.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)
  const base = REQUIRED.config[first]
  const isMap = typeof base === 'object' && !Array.isArray(base)
  const wrapped = path === 'keys' ? [value] : isMap ? { ...base, ...(tree as object) } : tree
  return { ...REQUIRED, config: { ...REQUIRED.config, [first]: wrapped } }
}
