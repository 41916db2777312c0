// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { ConfigError, renderFault } from '../../src/config/error.ts'
import { faultsOf, LOCAL, MINIMAL, OIDC, read, readTree } from './support.ts'

/** Faults as `line:column path: message`. */
function placed(text: string, env = {}): string[] {
  return faultsOf(text, { env }).map(
    ({ line, column, path, message, suggestion }) =>
      `${line}:${column} ${path}: ${message}${suggestion ? ` (${suggestion})` : ''}`,
  )
}

const FAULTY = `# many things are wrong here
publicURL: https://mcp.example.com
listen: { port: 99999 }
redis: { url: \${REDIS_URL} }
upstream:
  provider: oidc
  issuer: https://login.example.com
  clientId: a
  clientSecret:
  colour: red
backends:
  - path: /crm/mcp/
    instanses: [http://crm-1/mcp]
  - path: /token
    instances:
      - http://a/mcp
      - ftp://b
lifetimes: { grantIdle: 91d, accessTokens: 1m }
`

describe('a configuration with several faults', () => {
  it('reports all of them at once, each with its line and column, in the order of the file', () => {
    expect(placed(FAULTY)).toEqual([
      '2:1 publicUrl: is required',
      '2:1 publicURL: unknown key (publicUrl)',
      '3:17 listen.port: expected a whole number from 1 to 65535',
      '4:1 redis: needs keys: what is stored must be sealed, and every replica must open it; `mcp-auth-gateway keys` mints one',
      '4:15 redis.url: environment variable REDIS_URL is not set',
      '9:3 upstream.clientSecret: expected a string, found nothing',
      '10:3 upstream.colour: unknown key',
      '12:5 backends[0].instances: is required',
      '12:11 backends[0].path: expected a path such as /crm/mcp: no slash at the end, no empty segment, no query, nothing percent-encoded',
      '13:5 backends[0].instanses: unknown key (instances)',
      '14:11 backends[1].path: must not begin with /token: the gateway answers there itself',
      '17:9 backends[1].instances[1]: expected an http or https URL without credentials, query and fragment, such as http://crm-1:8080/mcp',
      '18:25 lifetimes.grantIdle: must not be longer than grantAbsolute',
      '18:30 lifetimes.accessTokens: unknown key (accessToken)',
    ])
  })

  it('has them in the message of its error too, a line each', () => {
    expect(() => read('publicUrl: https://mcp.example.com\nbackend: []')).toThrow(
      new ConfigError('gateway.config.yaml', [
        { path: 'backends', line: 1, column: 1, message: 'is required' },
        { path: 'upstream', line: 1, column: 1, message: 'is required' },
        { path: 'backend', line: 2, column: 1, message: 'unknown key', suggestion: 'backends' },
      ]),
    )
    expect(
      renderFault('a.yaml', {
        path: 'b',
        line: 2,
        column: 1,
        message: 'unknown key',
        suggestion: 'bb',
      }),
    ).toBe('a.yaml:2:1  b  unknown key; did you mean "bb"?')
  })
})

describe('a rule across keys', () => {
  it('is heard although another value of its section is faulty', () => {
    const lifetimes = { accessToken: 15, grantIdle: '91d' }
    expect(faultsOf(stringify({ ...MINIMAL, lifetimes })).map(({ path }) => path)).toEqual([
      'lifetimes.accessToken',
      'lifetimes.grantIdle',
    ])
  })
})

describe('YAML', () => {
  const local = stringify(LOCAL)

  it.each([
    ['a duplicate key', `${local}log: {}\nlog: {}\n`, /^\d+:1 : the same key stands twice/],
    [
      'a duplicate key in a flow map',
      `${local}log: { level: info, level: warn }\n`,
      /^\d+:21 : the same key/,
    ],
    ['a second document', `${local}---\n${local}`, /^\d+:1 : a second document begins here/],
    [
      'a line too far in',
      `${local}log:\n  level: info\n    x: y\n`,
      /next line is indented too far/,
    ],
    ['a colon without quotes', `${local}log: { }\nops:\n  token: a: b\n`, /needs quotes$/],
    ['a tab as indentation', `${local}log:\n\tlevel: info\n`, /^\d+:\d+ : Tabs/],
    ['an open quote', `${local}log: "`, /^\d+:\d+ : Missing closing "quote/],
    ['a tag of its own', `${local}log: !mine {}\n`, /^\d+:6 : Unresolved tag: !mine/],
    [
      'an unknown anchor',
      `${local}log: *nobody\n`,
      /^\d+:6 : refers to an anchor that is not there/,
    ],
    ['a number as key', `${local}1: a\n`, /^\d+:1 : is not a usable key/],
    ['a list as key', `${local}? [a]\n: b\n`, /^\d+:3 : is not a usable key/],
    ['a prototype as key', `${local}__proto__: { a: b }\n`, /^\d+:1 : is not a usable key/],
    ['a merge key', `${local}<<: { log: {} }\n`, /^\d+:1 <<: unknown key/],
    ['a private-use character', `${local}# \ue000\n`, /^\d+:3 : contains a private-use character/],
    ['nothing but a scalar', 'hello', /^1:1 : expected a section, found a string/],
    ['nothing but a list', '- a', /^1:1 : expected a section, found a list/],
    ['absurd nesting', `a: ${'['.repeat(20)}${']'.repeat(20)}`, /^1:\d+ : is nested too deeply/],
    ['more nesting than the parser takes', '['.repeat(100_000), /^1:\d+ : /],
    ['a text too long', `${local}#${'x'.repeat(300_000)}`, /^1:1 : is longer than 256 KiB/],
    ['an anchor that contains itself', 'a: &a [*a]', /^1:\d+ : /],
  ])('with %s is refused at its place', (_, text, complaint) => {
    expect(placed(text)[0]).toMatch(complaint)
  })

  it('reports an error in every line that has one', () => {
    expect(placed('a: "x" y\nb: 1\nc: "x" z\n').map(line => line.split(' ')[0])).toEqual([
      '1:8',
      '3:8',
    ])
  })

  it('may repeat a value by an alias', () => {
    const text = stringify({ ...MINIMAL, backends: undefined }).concat(
      'backends:\n',
      '  - { path: /a/mcp, instances: &all [http://a/mcp] }\n',
      '  - { path: /b/mcp, instances: *all }\n',
    )
    expect(read(text).backends[1]?.instances).toEqual(['http://a/mcp'])
  })

  it('does not unfold a few lines of aliases into gigabytes', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 12; level++) {
      const [from, to] = ['abcdefghijkl'[level - 1], 'abcdefghijkl'[level]]
      lines.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(', ')}]`)
    }
    expect(placed(lines.join('\n'))).toEqual([
      expect.stringMatching(/^\d+:\d+ : unfolds into too many values/),
    ])
  })
})

describe('whatever the text', () => {
  const words = [
    'publicUrl',
    'keys',
    'redis',
    'upstream',
    'backends',
    'url',
    'provider',
    'oidc',
    'dev',
    'path',
  ]
  const marks = [
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '"',
    '&a ',
    '*a',
    '${',
    '}',
    '$${',
    'file:',
    '#',
    ',',
    '|\n',
    '!!map ',
    '? ',
    '---\n',
    '\0',
    '\ufeff',
    '1',
    'null',
  ]
  const yamlLike = fc
    .array(fc.constantFrom(...words, ...marks), { maxLength: 60 })
    .map(parts => parts.join(''))
  const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array).toString('utf8'))

  it('nothing but a ConfigError is thrown, with places that exist', () => {
    fc.assert(
      fc.property(fc.oneof(yamlLike, bytes, fc.string({ unit: 'binary' })), text => {
        const lines = text.split('\n').length
        for (const { line, column } of faultsOf(text)) {
          expect(line).toBeGreaterThanOrEqual(1)
          expect(line).toBeLessThanOrEqual(lines)
          expect(column).toBeGreaterThanOrEqual(1)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('nothing but a ConfigError is thrown for any tree in any place', () => {
    const tree = fc.jsonValue({ maxDepth: 3 })
    const places = [
      'publicUrl',
      'listen',
      'keys',
      'redis',
      'upstream',
      'backends',
      'lifetimes',
      'limits',
      'log',
      'trustedProxies',
      'keepAlive',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...places), tree, (place, value) => {
        faultsOf(JSON.stringify({ ...MINIMAL, [place]: value }))
        faultsOf(
          JSON.stringify({ ...MINIMAL, upstream: { ...OIDC, [place]: value, scopes: value } }),
        )
        faultsOf(
          JSON.stringify({ ...MINIMAL, keys: [value], redis: { url: value, cluster: value } }),
        )
        faultsOf(
          JSON.stringify({
            ...MINIMAL,
            backends: [{ path: value, instances: value, name: value }],
          }),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('no message shows a value, since it may be a secret in the wrong place', () => {
    const secret = 'h0rse-battery-stap1e'
    const places = [
      { publicUrl: secret },
      { keys: [secret] },
      { redis: { url: `redis://:${secret}@redis?a`, timeout: secret, cluster: [secret] } },
      { upstream: { ...OIDC, issuer: secret, tokenAuthMethod: secret, repeatsRefresh: secret } },
      { upstream: { provider: secret } },
      {
        backends: [
          { path: secret, name: `${secret} x`, instances: [secret], scopes: [`${secret} x`] },
        ],
      },
      {
        log: { level: secret },
        limits: { body: secret, inFlight: secret },
        trustedProxies: [secret],
      },
    ]
    for (const place of places) {
      const faults = faultsOf(stringify({ ...MINIMAL, ...place }))
      expect(faults.length).toBeGreaterThan(0)
      expect(JSON.stringify(faults)).not.toContain(secret)
    }
  })

  it.each([
    'clientSecret: "a" h0rse-battery',
    '{ a: [ h0rse-battery } }',
    'keys: [a] h0rse-battery\n  h0rse-battery: x',
    'a: b\n h0rse-battery\n] h0rse-battery',
    'a: { b: {c} }d }\nh0rse-battery: x',
    'a: [ {b} {c} ] }\nh0rse-battery\nh0rse-battery',
  ])('no message about broken YAML shows a piece of the text: %j', text => {
    const faults = faultsOf(text)
    expect(faults.length).toBeGreaterThan(0)
    expect(JSON.stringify(faults.map(({ message }) => message))).not.toContain('h0rse')
  })

  it('the order of keys does not matter', () => {
    const entries = Object.entries(MINIMAL)
    const shuffled = fc.shuffledSubarray(entries, { minLength: entries.length })
    fc.assert(
      fc.property(shuffled, order => {
        expect(readTree(Object.fromEntries(order))).toEqual(readTree(MINIMAL))
      }),
    )
  })
})
