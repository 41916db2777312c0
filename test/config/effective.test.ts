// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { renderEffective } from '../../src/config/effective.ts'
import { KEY, LOCAL, MINIMAL, OIDC, OTHER_KEY, parseYaml, read, readTree } from './support.ts'

const SECRETS = [
  's3cret-upstream',
  's3cret-sentinel',
  's3cret-redis',
  's3cret-in-url',
  KEY,
  OTHER_KEY,
]

const FULL = {
  ...MINIMAL,
  listen: { host: '10.1.2.3', port: 1 },
  keys: [KEY, OTHER_KEY],
  redis: {
    sentinel: { name: 'main', nodes: ['[::1]:26379', 'b:2'], password: SECRETS[1] },
    username: 'gateway',
    password: SECRETS[2],
    tls: true,
    keyPrefix: 'p:',
    timeout: '1500ms',
  },
  upstream: {
    ...OIDC,
    clientSecret: SECRETS[0],
    authorizeParams: { audience: 'https://api.example.com', note: '$${NOT_A_REFERENCE}' },
    timeout: '900ms',
  },
  backends: [
    {
      path: '/a/mcp',
      instances: ['http://a/mcp'],
      scopes: {
        a: { description: 'What a does', implies: ['b'] },
        b: { default: 'false' },
        c: {},
      },
      required: ['b'],
      tools: { 'export_*': { scopes: ['a'], hidden: true }, debug: { hidden: 'true' } },
      timeouts: { headers: '90s', total: '2m', methods: { 'tools/call': { total: '1h' } } },
      probe: { kind: 'mcp' },
      connections: { streams: '5' },
    },
    { path: '/b/mcp', name: 'second', instances: ['http://b/mcp', 'dns:http://c/mcp'] },
  ],
  allowedOrigins: ['*'],
  trustedProxies: ['10.0.0.0/8'],
  lifetimes: { refreshGrace: '0s', grantIdle: '1d' },
  limits: { body: '5000B', inFlight: 7 },
  drain: { delay: '5s' },
}

/** The effective text with its secrets put back, as an operator would do it. */
function withSecrets(text: string, original: object): string {
  const tree = parseYaml(text)
  const { clientSecret } = OIDC
  const restored = {
    ...tree,
    ...('keys' in original && { keys: original.keys }),
    ...('redis' in original && {
      redis: { ...(tree.redis as object), ...(original.redis as object) },
    }),
    upstream: {
      ...(tree.upstream as object),
      ...('clientSecret' in (tree.upstream as object) && { clientSecret }),
    },
  }
  return stringify(restored, { blockQuote: false })
}

describe('the effective configuration', () => {
  it('is in the units of the file, with every default', () => {
    expect(parseYaml(renderEffective(readTree(LOCAL)))).toEqual({
      publicUrl: 'http://localhost:8080',
      auth: 'gateway',
      listen: { host: '127.0.0.1', port: 8080 },
      ops: { host: '127.0.0.1', port: 9090 },
      keys: [],
      upstream: { provider: 'dev', port: 9091, sampleBackends: false },
      backends: [
        {
          path: '/crm/mcp',
          name: 'crm',
          instances: ['http://crm-1:8080/mcp'],
          scopes: ['mcp'],
          required: [],
          tools: {},
          credential: 'upstream',
          cache: { lists: false },
          timeouts: { connect: '2s', headers: '1m', idle: '10m', maxAge: '1h', methods: {} },
          probe: { kind: 'tcp', interval: '10s' },
          connections: {},
        },
      ],
      registration: { enabled: true, loopback: true, appSchemes: true },
      clientDocuments: { enabled: true, deny: [] },
      clients: [],
      allowedOrigins: [],
      trustedProxies: [],
      lifetimes: {
        accessToken: '15m',
        refreshGrace: '1m',
        grantIdle: '30d',
        grantAbsolute: '90d',
        authorizationCode: '1m',
        login: '10m',
      },
      limits: {
        body: '4MiB',
        headers: '32KiB',
        stall: '30s',
        inFlight: 1024,
        streams: 1024,
        inFlightPerSubject: 256,
        streamsPerSubject: 64,
      },
      rateLimits: {
        ...{ register: '60/1m', authorize: '300/1m', token: '1200/1m' },
        calls: { subject: 'off', client: 'off', backend: 'off', tool: 'off' },
      },
      keepAlive: '75s',
      drain: { delay: '0ms', deadline: '30s' },
      workers: 1,
      log: { level: 'info' },
    })
  })

  it.each([
    ['minimal', MINIMAL],
    ['local', LOCAL],
    ['full', { ...FULL, upstream: { ...FULL.upstream, clientSecret: OIDC.clientSecret } }],
    ['clustered', { ...MINIMAL, keys: [KEY], redis: { cluster: ['a:1', 'b:2'] } }],
  ])('loads as the same configuration, once its secrets are put back: %s', (_, tree) => {
    const config = readTree(tree)
    expect(read(withSecrets(renderEffective(config), tree))).toEqual(config)
  })

  it('loads as the same whatever the lives, sizes and strings', () => {
    const settings = fc.record({
      accessToken: fc.integer({ min: 10, max: 86_400 }).map(seconds => `${seconds}s`),
      keepAlive: fc.integer({ min: 1000, max: 3_600_000 }).map(ms => `${ms}ms`),
      body: fc.integer({ min: 1024, max: 268_435_456 }).map(bytes => `${bytes}B`),
      clientId: fc.string({
        minLength: 1,
        unit: fc.constantFrom('$', '{', '}', '#', ' ', ':', '1', '"', '\n'),
      }),
    })
    fc.assert(
      fc.property(settings, ({ accessToken, keepAlive, body, clientId }) => {
        const tree = {
          ...MINIMAL,
          keys: [KEY],
          upstream: { ...OIDC, clientId: clientId.replaceAll('${', found => `$${found}`) },
          lifetimes: { accessToken },
          limits: { body },
          keepAlive,
        }
        const config = readTree(tree)
        expect(config.upstream).toMatchObject({ clientId })
        expect(read(withSecrets(renderEffective(config), tree))).toEqual(config)
      }),
    )
  })

  it('never shows a secret, however it came in', () => {
    const env = { SECRET: SECRETS[0]!, REDIS: `redis://gateway:${SECRETS[3]}@redis:6379/2` }
    const inUrl = renderEffective(
      readTree(
        {
          ...FULL,
          redis: { url: '${REDIS}' },
          upstream: { ...FULL.upstream, clientSecret: '${SECRET}' },
        },
        { env },
      ),
    )
    expect(inUrl).toContain('redis://gateway:[redacted]@redis:6379/2')
    for (const secret of SECRETS) {
      expect(inUrl).not.toContain(secret)
      expect(renderEffective(readTree(FULL))).not.toContain(secret)
    }
  })
})
