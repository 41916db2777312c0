import { describe, expect, it } from 'vitest'
import { keepFixed } from '../../src/gateway/reload.ts'
import { KEY, read } from '../config/support.ts'

const REDIS = `keys: [${KEY}]\nredis: { url: redis://127.0.0.1:6379 }\n`
const BASE = `
publicUrl: https://mcp.example.com
upstream: { provider: oidc, issuer: https://idp.example.com, clientId: a, clientSecret: b }
backends: [{ path: /crm/mcp, instances: [http://crm:8080/mcp] }]
`

const load = (more = '', base = BASE) => read(base + more)

describe('what a reload changes', () => {
  it.each([
    ['backends', '', BASE.replace('http://crm:8080', 'http://crm-2:8080')],
    ['upstream', '', BASE.replace('clientSecret: b', 'clientSecret: c')],
    ['limits', 'limits: { inFlight: 7 }\n', BASE],
    ['lifetimes', 'lifetimes: { accessToken: 5m }\n', BASE],
    ['log', 'log: { level: debug }\n', BASE],
    ['drain', 'drain: { deadline: 5s }\n', BASE],
  ] as const)('is %s', (key, more, base) => {
    const wanted = load(more, base)
    const { config, fixed } = keepFixed(load(), wanted)
    expect(config[key]).toEqual(wanted[key])
    expect(fixed).toEqual([])
  })

  it.each([
    ['publicUrl', '', BASE.replace('mcp.example.com', 'other.example.com')],
    ['listen', 'listen: { port: 1234 }\n', BASE],
    ['ops', 'ops: { token: secret }\n', BASE],
    ['redis', REDIS, BASE],
    ['keepAlive', 'keepAlive: 10s\n', BASE],
    ['workers', `${REDIS}workers: 2\n`, BASE],
    ['limits', 'limits: { headers: 8KiB }\n', BASE],
    ['limits', 'limits: { stall: 5s }\n', BASE],
    ['lifetimes', 'lifetimes: { refreshGrace: 1s }\n', BASE],
    [
      'upstream',
      '',
      BASE.replace(/upstream:.*/, 'upstream: { provider: dev }').replace(
        'https://mcp.example.com',
        'http://localhost:8080',
      ),
    ],
  ])('is not %s: it stays as it runs, and is named', (name, more, base) => {
    const running = load()
    const { config, fixed } = keepFixed(running, load(more, base))
    expect(fixed).toContain(name)
    const key = name === 'keepAlive' ? 'keepAliveMs' : (name as keyof typeof running)
    expect(config[key]).toEqual(running[key])
  })

  it('is the lifetimes of a store in Redis too', () => {
    const wanted = load(`${REDIS}lifetimes: { refreshGrace: 1s }\n`)
    const { config, fixed } = keepFixed(load(REDIS), wanted)
    expect(config.lifetimes).toEqual(wanted.lifetimes)
    expect(fixed).toEqual([])
  })
})
