// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { complaints, faultsOf, KEY, LOCAL, MINIMAL, OIDC, OTHER_KEY, readTree } from './support.ts'

const backend = (more: object) => ({
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1/mcp'], ...more }],
})
const oidc = (more: object) => ({ upstream: { ...OIDC, ...more } })

describe('a minimal configuration', () => {
  it('gets every default, in the units that its names tell', () => {
    expect(readTree(MINIMAL)).toEqual({
      publicUrl: 'https://mcp.example.com',
      auth: 'gateway',
      listen: { host: '0.0.0.0', port: 8080 },
      ops: { host: '127.0.0.1', port: 9090 },
      keys: [],
      upstream: {
        provider: 'oidc',
        settings: { issuer: OIDC.issuer, offlineAccess: true },
        clientId: OIDC.clientId,
        clientSecret: OIDC.clientSecret,
        scopes: ['openid', 'profile', 'email', 'offline_access'],
        authorizeParams: {},
        codeParams: {},
        refreshParams: {},
        tokenAuthMethod: 'client_secret_post',
        refreshScope: 'requested',
        issParam: 'verify',
        repeatsRefresh: false,
        claims: { email: 'email', name: 'name', groups: 'groups', roles: 'roles' },
        timeoutMs: 10_000,
      },
      backends: [
        {
          path: '/crm/mcp',
          name: 'crm',
          instances: ['http://crm-1:8080/mcp'],
          scopes: [{ name: 'mcp', isDefault: true, implies: [] }],
          required: [],
          tools: {},
          credential: { kind: 'upstream' },
          cache: { lists: false },
          timeouts: {
            ...{ connectMs: 2000, headersMs: 60_000, idleMs: 600_000, maxAgeMs: 3_600_000 },
            methods: {},
          },
          probe: { kind: 'tcp', intervalMs: 10_000 },
          connections: {},
        },
      ],
      registration: { enabled: true, loopback: true, appSchemes: true },
      clientDocuments: { enabled: true, deny: [] },
      clients: [],
      allowedOrigins: [],
      trustedProxies: [],
      lifetimes: {
        accessTokenSeconds: 900,
        refreshGraceSeconds: 60,
        grantIdleSeconds: 2_592_000,
        grantAbsoluteSeconds: 7_776_000,
        authorizationCodeSeconds: 60,
        loginSeconds: 600,
      },
      limits: {
        bodyBytes: 4_194_304,
        headersBytes: 32_768,
        stallMs: 30_000,
        inFlight: 1024,
        streams: 1024,
        inFlightPerSubject: 256,
        streamsPerSubject: 64,
      },
      rateLimits: {
        register: { count: 60, windowSeconds: 60 },
        authorize: { count: 300, windowSeconds: 60 },
        token: { count: 1200, windowSeconds: 60 },
        calls: { subject: 'off', client: 'off', backend: 'off', tool: 'off' },
      },
      keepAliveMs: 75_000,
      drain: { delayMs: 0, deadlineMs: 30_000 },
      workers: 1,
      log: { level: 'info' },
    })
  })

  it('listens on loopback with the development IdP, unless told otherwise', () => {
    expect(readTree(LOCAL).listen.host).toBe('127.0.0.1')
    expect(readTree({ ...LOCAL, listen: { host: '0.0.0.0' } }).listen.host).toBe('0.0.0.0')
    expect(readTree(LOCAL).upstream).toEqual({ provider: 'dev', port: 9091, sampleBackends: false })
  })

  it('may not leave out what has no default', () => {
    expect(faultsOf('').map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'publicUrl: is required',
      'backends: is required',
      'upstream: is required',
    ])
  })
})

describe('workers', () => {
  const shared = { ...MINIMAL, keys: [KEY], redis: { url: 'redis://redis' } }

  it.each([
    ['a number', 4, 4],
    ['the number of an environment variable', '4', 4],
    ['one for each processor', 'auto', 'auto'],
  ])('may be %s with redis', (_, workers, used) => {
    expect(readTree({ ...shared, workers }).workers).toBe(used)
  })

  it.each([
    ['one', { workers: 1 }, []],
    ['two', { workers: 2 }, [expect.stringMatching(/^workers: more than 1 needs redis/)]],
    ['as many as there are', { workers: 'auto' }, [expect.stringMatching(/needs redis/)]],
    ['none', { workers: 0 }, ['workers: expected auto or a whole number from 1 to 64']],
    ['many', { workers: 'many' }, ['workers: expected auto or a whole number from 1 to 64']],
  ])('of %s without redis: says what is missing', (_, overrides, expected) => {
    expect(complaints(overrides)).toEqual(expected)
  })

  it('are refused with the development IdP, whatever else there is', () => {
    const { redis, keys } = shared
    expect(complaints({ redis, keys, workers: 2 }, undefined, LOCAL)).toEqual([
      expect.stringMatching(/^workers: only 1 with provider: dev/),
    ])
  })
})

describe('keys and redis', () => {
  const redis = { redis: { url: 'redis://redis' } }

  it.each([
    ['base64', KEY],
    ['base64 without padding', KEY.replace('=', '')],
    ['base64url', Buffer.alloc(32, 255).toString('base64url')],
  ])('takes a key in %s', (_, key) => {
    expect(readTree({ ...MINIMAL, keys: [key] }).keys[0]).toEqual(
      Uint8Array.from(Buffer.from(key, 'base64url')),
    )
  })

  it.each([
    [
      'a short key',
      [Buffer.alloc(16).toString('base64')],
      'keys[0]: is 16 bytes long instead of 32; `mcp-auth-gateway keys` mints one',
    ],
    [
      'a long key',
      [KEY, Buffer.alloc(33).toString('base64')],
      'keys[1]: is 33 bytes long instead of 32; `mcp-auth-gateway keys` mints one',
    ],
    [
      'a key that is not base64',
      ['not base64!'],
      'keys[0]: is not base64; `mcp-auth-gateway keys` mints one',
    ],
    [
      'the same key in another spelling',
      [KEY, OTHER_KEY, KEY.replace('=', '')],
      'keys[2]: is the same key as one before it',
    ],
  ])('refuses %s', (_, keys, complaint) => {
    expect(complaints({ keys })).toEqual([complaint])
  })

  it.each([
    ['absent', {}],
    ['an empty list', { keys: [] }],
  ])('refuses redis where keys are %s, and says how to get one', (_, keys) => {
    expect(complaints({ ...redis, ...keys })).toEqual([
      expect.stringMatching(/^redis: needs keys: .*mcp-auth-gateway keys/),
    ])
  })

  it.each([
    ['a URL', { url: 'rediss://user:pw@redis:6380/1' }, { url: 'rediss://user:pw@redis:6380/1' }],
    [
      'sentinels',
      {
        sentinel: { name: 'main', nodes: ['s1:26379', '[::1]:26379'], password: 'a' },
        username: 'u',
        password: 'b',
      },
      {
        sentinel: {
          name: 'main',
          nodes: [
            { host: 's1', port: 26_379 },
            { host: '::1', port: 26_379 },
          ],
          password: 'a',
        },
        username: 'u',
        password: 'b',
      },
    ],
    [
      'a cluster',
      { cluster: ['c1:6379'], tls: true },
      { cluster: [{ host: 'c1', port: 6379 }], tls: true },
    ],
  ])('finds Redis by %s', (_, written, used) => {
    const common = { keyPrefix: 'mcp-auth-gateway:', timeoutMs: 1000, tls: false }
    const config = readTree({ ...MINIMAL, keys: [KEY], redis: written })
    expect(config.redis).toEqual({ ...common, ...used })
  })

  it.each([
    ['no way to find it', {}, 'redis: needs one of url, sentinel and cluster'],
    [
      'two ways',
      { url: 'redis://r', cluster: ['c:1'] },
      'redis: takes one of url, sentinel and cluster, and has url and cluster',
    ],
    [
      'a password beside the url',
      { url: 'redis://r', password: 'x' },
      'redis.password: belongs in the url where there is one',
    ],
    ['no nodes', { cluster: [] }, 'redis.cluster: needs at least one entry'],
    [
      'a node without a port',
      { cluster: ['c1'] },
      'redis.cluster[0]: expected host and port, such as redis-1:6379',
    ],
    [
      'a node with an impossible port',
      { cluster: ['c1:0'] },
      'redis.cluster[0]: expected host and port, such as redis-1:6379',
    ],
    [
      'a database in a cluster, which has none',
      { cluster: ['c1:6379/2'] },
      'redis.cluster[0]: expected host and port, such as redis-1:6379',
    ],
    ['a node twice', { cluster: ['c1:1', 'c1:01'] }, 'redis.cluster[1]: is listed twice'],
    [
      'a bare number as timeout',
      { url: 'redis://r', timeout: 1 },
      'redis.timeout: expected a duration such as 500ms, 15m or 30d',
    ],
  ])('refuses redis with %s', (_, written, complaint) => {
    expect(complaints({ keys: [KEY], redis: written })).toEqual([complaint])
  })
})

describe('upstream', () => {
  it.each([
    [
      'an issuer without TLS',
      oidc({ issuer: 'http://login.example.com' }),
      'upstream.issuer: must be https; plain http is for loopback only',
    ],
    [
      'scopes without openid',
      oidc({ scopes: ['email', 'offline_access'] }),
      'upstream.scopes: must contain openid: without an ID token the user is unknown',
    ],
    [
      'a scope with a space',
      oidc({ scopes: ['openid email', 'openid', 'offline_access'] }),
      'upstream.scopes[0]: is not a scope: expected printable ASCII without spaces, " and \\',
    ],
    [
      'a scope twice',
      oidc({ scopes: ['openid', 'openid', 'offline_access'] }),
      'upstream.scopes[1]: is listed twice',
    ],
    ['an empty secret', oidc({ clientSecret: '' }), 'upstream.clientSecret: must not be empty'],
    [
      'a parameter of the gateway itself',
      oidc({ authorizeParams: { audience: 'a', redirect_uri: 'b' } }),
      'upstream.authorizeParams.redirect_uri: is set by the gateway itself',
    ],
    [
      'a parameter that is no string',
      oidc({ codeParams: { a: 1 } }),
      'upstream.codeParams.a: expected a string, found a number; put it in quotes',
    ],
    [
      'a number as client id',
      oidc({ clientId: 5 }),
      'upstream.clientId: expected a string, found a number; put it in quotes',
    ],
    [
      'an unknown method',
      oidc({ tokenAuthMethod: 'none' }),
      'upstream.tokenAuthMethod: expected one of client_secret_post, client_secret_basic',
    ],
    ['a timeout of a day', oidc({ timeout: '1d' }), 'upstream.timeout: must be from 100ms to 60s'],
    [
      'an unknown provider',
      { upstream: { provider: 'oidx' } },
      'upstream.provider: expected one of entra, auth0, okta, google, keycloak, cognito, github, oidc, dev',
    ],
    [
      'no provider',
      { upstream: {} },
      'upstream.provider: is required: one of entra, auth0, okta, google, keycloak, cognito, github, oidc, dev',
    ],
    ['nothing in it', { upstream: null }, 'upstream: expected a section, found nothing'],
  ])('refuses %s', (_, overrides, complaint) => {
    expect(complaints(overrides)).toEqual([complaint])
  })

  it('suggests the provider that was meant', () => {
    const [fault] = faultsOf(stringify({ ...MINIMAL, upstream: { provider: 'odic' } }))
    expect(fault?.suggestion).toBe('oidc')
  })

  it('refuses the development IdP in production', () => {
    const env = { NODE_ENV: 'production' }
    expect(complaints({}, { env }, LOCAL)).toEqual([
      'upstream.provider: dev lets anybody in: refused with NODE_ENV=production',
    ])
    expect(complaints({}, { env })).toEqual([])
    expect(complaints({}, { env: { NODE_ENV: 'development' } }, LOCAL)).toEqual([])
  })

  it('refuses the development IdP behind a public URL', () => {
    expect(complaints({ upstream: { provider: 'dev' } })).toEqual([
      'upstream.provider: dev lets anybody in: refused unless publicUrl is loopback',
    ])
  })

  it.each(['http://crm-1:8080/mcp', 'https://127.0.0.1:9101/mcp', 'http://127.0.0.1/mcp'])(
    'refuses sample backends at %s',
    instance => {
      const upstream = { provider: 'dev', sampleBackends: true }
      const overrides = {
        upstream,
        ...backend({ instances: ['http://127.0.0.1:9101/mcp', instance] }),
      }
      expect(complaints(overrides, {}, LOCAL)).toEqual([
        'backends[0].instances[1]: must be http on loopback with a port: upstream.sampleBackends starts a server there',
      ])
    },
  )
})

describe('backends', () => {
  it.each([
    ['/crm/mcp', 'crm'],
    ['/mcp', 'mcp'],
    ['/sales/crm/mcp', 'sales-crm'],
    ['/crm', 'crm'],
    ['/a@b/mcp', 'a_b'],
  ])('names %s %s', (path, name) => {
    expect(readTree({ ...MINIMAL, ...backend({ path }) }).backends[0]?.name).toBe(name)
  })

  it.each([
    '',
    '/',
    'crm',
    '/crm/',
    '//crm',
    '/crm//mcp',
    '/crm?a',
    '/crm#a',
    '/crm%2fmcp',
    '/%63rm',
    '/crm\\mcp',
    '/crm mcp',
    '/crm/ü',
  ])('refuses the path %j', path => {
    expect(complaints(backend({ path, name: 'crm' }))).toEqual([
      expect.stringMatching(/^backends\[0\]\.path: expected a path such as/),
    ])
  })

  it.each(['/./mcp', '/crm/../mcp', '/crm/..'])('refuses the dot segments of %s', path => {
    expect(complaints(backend({ path }))).toEqual([
      'backends[0].path: must not contain the segments . and ..',
    ])
  })

  it.each([
    'authorize',
    'consent',
    'callback',
    'token',
    'register',
    'revoke',
    'introspect',
    'jwks',
    '.well-known',
  ])('refuses paths that begin with /%s, where the gateway answers itself', segment => {
    const complaint = `backends[0].path: must not begin with /${segment}: the gateway answers there itself`
    expect(complaints(backend({ path: `/${segment}` }))).toEqual([complaint])
    expect(complaints(backend({ path: `/${segment}/mcp` }))).toEqual([complaint])
    expect(complaints(backend({ path: `/${segment}s/mcp` }))).toEqual([])
  })

  it('refuses a path or a name that another backend has', () => {
    const instances = ['http://crm-1/mcp']
    const backends = [
      { path: '/crm/mcp', instances },
      { path: '/crm/mcp', name: 'other', instances },
      { path: '/other/mcp', instances },
    ]
    expect(complaints({ backends })).toEqual([
      'backends[1].path: is the path of another backend',
      'backends[2].name: is the name of another backend',
    ])
  })

  it.each([
    ['no backend', { backends: [] }, 'backends: needs at least one entry'],
    ['no instance', backend({ instances: [] }), 'backends[0].instances: needs at least one entry'],
    [
      'an instance twice',
      backend({ instances: ['http://a/mcp', 'http://A:80/mcp'] }),
      'backends[0].instances[1]: is listed twice',
    ],
    [
      'an instance with credentials',
      backend({ instances: ['http://u:p@a/mcp'] }),
      'backends[0].instances[0]: expected an http or https URL without credentials, query and fragment, such as http://crm-1:8080/mcp',
    ],
    [
      'an address behind dns:',
      backend({ instances: ['dns:http://10.0.0.1:8080/mcp'] }),
      'backends[0].instances[0]: needs a name after dns:, not an address',
    ],
    [
      'what is no URL behind dns:',
      backend({ instances: ['dns:crm:8080'] }),
      'backends[0].instances[0]: expected an http or https URL without credentials, query and fragment, such as dns:http://crm:8080/mcp',
    ],
    [
      'a method with a limit that it cannot have',
      backend({ timeouts: { methods: { 'tools/call': { maxAge: '5m' } } } }),
      'backends[0].timeouts.methods.tools/call.maxAge: unknown key',
    ],
    [
      'an instance instead of a list',
      backend({ instances: 'http://a/mcp' }),
      'backends[0].instances: expected a list, found a string; put it in brackets',
    ],
    ['no scope', backend({ scopes: [] }), 'backends[0].scopes: needs at least one entry'],
    [
      'a bad name',
      backend({ name: 'a b' }),
      'backends[0].name: expected up to 63 letters, digits, dots, dashes and underscores',
    ],
    [
      'a timeout without a unit',
      backend({ timeouts: { headers: '60' } }),
      'backends[0].timeouts.headers: expected a duration such as 500ms, 15m or 30d',
    ],
  ])('refuses %s', (_, overrides, complaint) => {
    expect(complaints(overrides)).toEqual([complaint])
  })
})

describe('the rest', () => {
  it('reads origins in the form in which browsers send them', () => {
    const config = readTree({ ...MINIMAL, allowedOrigins: ['https://App.example.com:443/', '*'] })
    expect(config.allowedOrigins).toEqual(['https://app.example.com', '*'])
  })

  it.each(['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8', '::1/128'])(
    'trusts the proxies in %s',
    range => {
      expect(readTree({ ...MINIMAL, trustedProxies: [range] }).trustedProxies).toEqual([range])
    },
  )

  it.each(['10.0.0.1', '10.0.0.0/33', '10/8', '0x0a.0.0.0/8', 'fd00::/129', 'proxy.internal', '*'])(
    'refuses %s as an address range',
    range => {
      expect(complaints({ trustedProxies: [range] })).toEqual([
        expect.stringMatching(/^trustedProxies\[0\]: expected an address range/),
      ])
    },
  )

  it.each([
    [
      'an origin with a path',
      { allowedOrigins: ['https://a.example/x'] },
      /^allowedOrigins\[0\]: expected an origin/,
    ],
    [
      'a code that lives too long',
      { lifetimes: { authorizationCode: '11m' } },
      /^lifetimes.authorizationCode: must be from 10s to 10m/,
    ],
    [
      'an access token that lives too long',
      { lifetimes: { accessToken: '25h' } },
      /^lifetimes.accessToken: must be from 10s to 24h/,
    ],
    [
      'an idle life beyond the absolute one',
      { lifetimes: { grantIdle: '91d' } },
      /^lifetimes.grantIdle: must not be longer than grantAbsolute/,
    ],
    [
      'a life of part of a second',
      { lifetimes: { accessToken: '10500ms' } },
      /^lifetimes.accessToken: must be whole seconds/,
    ],
    [
      'a bare number as life',
      { lifetimes: { login: 600 } },
      /^lifetimes.login: expected a duration/,
    ],
    ['a size in decimal units', { limits: { body: '4MB' } }, /^limits.body: expected a size/],
    ['a size of nothing', { limits: { body: '0B' } }, /^limits.body: must be from 1KiB to 256MiB/],
    [
      'half a call',
      { limits: { inFlight: 1.5 } },
      /^limits.inFlight: expected a whole number from 1 to 1000000/,
    ],
    [
      'a port out of range',
      { listen: { port: 65_536 } },
      /^listen.port: expected a whole number from 1 to 65535/,
    ],
    ['a port in words', { ops: { port: 'http' } }, /^ops.port: expected a whole number/],
    ['a port in another notation', { ops: { port: '0x50' } }, /^ops.port: expected a whole number/],
    ['an unknown level', { log: { level: 'verbose' } }, /^log.level: expected one of trace, debug/],
    ['a list instead of a section', { listen: [] }, /^listen: expected a section, found a list/],
    [
      'a port instead of a section',
      { listen: 8080 },
      /^listen: expected a section, found a number$/,
    ],
  ])('refuses %s', (_, overrides, complaint) => {
    expect(complaints(overrides)).toEqual([expect.stringMatching(complaint)])
  })
})
