import { describe, expect, it } from 'vitest'
import { fingerprintConfig } from '../../src/gateway/config-fingerprint.ts'
import { KEY, OTHER_KEY, read } from '../config/support.ts'

const BASE = `
publicUrl: https://mcp.example.com
keys: [${KEY}]
redis: { url: "redis://:password@127.0.0.1:6379" }
upstream: { provider: oidc, issuer: https://idp.example.com, clientId: a, clientSecret: b }
backends: [{ path: /crm/mcp, instances: [http://crm:8080/mcp] }]
`

const of = (text: string) => fingerprintConfig(read(text))

describe('the fingerprint of a configuration', () => {
  it('is a whole number that a metric carries without rounding, and not zero', () => {
    expect(Number.isSafeInteger(of(BASE))).toBe(true)
    expect(of(BASE)).toBeGreaterThan(0)
  })

  it.each([
    ['nothing', BASE],
    ['comments and order', `# for production\nlimits: {}\n${BASE}`],
    ['the addresses to listen on', `${BASE}listen: { port: 1234 }\nops: { port: 1235 }\n`],
    ['the log', `${BASE}log: { level: debug }\n`],
  ])('is the same where replicas differ in %s', (_, text) => {
    expect(of(text)).toBe(of(BASE))
  })

  it.each([
    ['the key', BASE.replace(KEY, OTHER_KEY)],
    ['the order of keys', BASE.replace(KEY, `${KEY}, ${OTHER_KEY}`)],
    ['an instance', BASE.replace('crm:8080', 'crm:8081')],
    ['the secret at the upstream', BASE.replace('clientSecret: b', 'clientSecret: c')],
    ['the password of Redis', BASE.replace('password', 'passwort')],
    ['a lifetime', `${BASE}lifetimes: { accessToken: 5m }\n`],
  ])('is another where they differ in %s', (_, text) => {
    expect(of(text)).not.toBe(of(BASE))
  })

  it('tells nothing about secrets where there is no key: it is another each time', () => {
    const text = BASE.replace(/keys: .*/, '').replace(/redis: .*/, '')
    expect(of(text)).not.toBe(of(text))
  })
})
