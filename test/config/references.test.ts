// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeReferences, resolveReferences } from '../../src/config/references.ts'
import { complaints, KEY, MINIMAL, OIDC, read, readTree } from './support.ts'

function resolve(
  text: string,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
) {
  const { tree, unresolved } = resolveReferences([text], {
    env,
    readFile: path => {
      if (path in files) return files[path]!
      throw Object.assign(new Error('missing'), { code: 'ENOENT' })
    },
  })
  return { value: (tree as unknown[])[0], messages: unresolved.map(({ message }) => message) }
}

describe('references to the environment', () => {
  const env = { HOST: 'example.com', EMPTY: '', NESTED: '${HOST}', FILE: 'file:/etc/secret' }

  it.each([
    ['${HOST}', 'example.com'],
    ['https://mcp.${HOST}:${PORT:-8443}', 'https://mcp.example.com:8443'],
    ['${EMPTY}', ''],
    ['${EMPTY:-default}', 'default'],
    ['${MISSING:-}', ''],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['$${HOST}', '${HOST}'],
    ['$$${HOST}', '$${HOST}'],
    ['$HOST and $', '$HOST and $'],
    ['${NESTED}', '${HOST}'],
    ['${FILE}', 'file:/etc/secret'],
  ])('make %s into %s', (text, value) => {
    expect(resolve(text, env)).toEqual({ value, messages: [] })
  })

  it.each([
    '${',
    '${}',
    '${HO-ST}',
    '${HOST-x}',
    '${1}',
    '${A:-${B}}',
    'a ${HOST',
    '${toString.x}',
  ])('are refused where they are malformed: %s', text => {
    expect(resolve(text, env).messages).toEqual([expect.stringContaining('expected ${NAME}')])
  })

  it('name every variable that is not set', () => {
    expect(resolve('${ONE}${HOST}${TWO}${ONE}', env).messages).toEqual([
      'environment variable ONE, TWO is not set',
    ])
  })

  it('do not find what every object has', () => {
    expect(resolve('${toString}').messages).toEqual(['environment variable toString is not set'])
  })

  it('leave every escaped text as it is', () => {
    const texts = fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':', '-') })
    fc.assert(
      fc.property(texts, text => {
        expect(resolve(escapeReferences(text))).toEqual({ value: text, messages: [] })
      }),
    )
  })
})

describe('references to files', () => {
  it('are the content of the file without its last line end', () => {
    expect(resolve('file:secret', {}, { secret: 'a\nb\n' }).value).toBe('a\nb')
    expect(resolve('file:secret', {}, { secret: 'a\r\n' }).value).toBe('a')
    expect(resolve('file:secret', {}, { secret: 'a\n\n' }).value).toBe('a\n')
    expect(resolve('file:///run/secret', {}, { '/run/secret': 'a' }).value).toBe('a')
  })

  it('may have a variable in their path', () => {
    expect(resolve('file:${DIR}/secret', { DIR: '/run' }, { '/run/secret': 'a' }).value).toBe('a')
  })

  it('are not resolved again', () => {
    const files = { secret: '${HOME}', other: 'file:secret' }
    expect(resolve('file:secret', {}, files).value).toBe('${HOME}')
    expect(resolve('file:other', {}, files).value).toBe('file:secret')
  })

  it('name the file that cannot be read', () => {
    expect(resolve('file:/run/nope').messages).toEqual([
      'file /run/nope cannot be read: there is no such file',
    ])
  })
})

describe('references in a configuration', () => {
  it('stand unquoted in lists and maps too', () => {
    const text = [
      'publicUrl: ${URL}',
      'keys: [${KEY}, file:key]',
      'redis: { url: ${REDIS_URL} }',
      'listen: { port: ${PORT:-8081} }',
      'upstream: { provider: oidc, issuer: ${ISSUER}, clientId: ${ID:-a}, clientSecret: "${SECRET}", repeatsRefresh: ${FORGIVES} }',
      'backends:',
      '  - { path: /crm/mcp, instances: [ ${INSTANCE} ] }',
    ].join('\n')
    const config = read(text, {
      env: {
        URL: 'https://mcp.example.com',
        KEY,
        REDIS_URL: 'redis://redis',
        ISSUER: 'https://login.example.com',
        SECRET: 'a: {b}',
        INSTANCE: 'http://crm-1/mcp',
        FORGIVES: 'true',
      },
      files: { key: `${Buffer.alloc(32, 9).toString('base64url')}\n` },
    })
    expect(config.keys).toEqual([new Uint8Array(32).fill(1), new Uint8Array(32).fill(9)])
    expect(config.redis).toMatchObject({ url: 'redis://redis' })
    expect(config.listen.port).toBe(8081)
    expect(config.upstream).toMatchObject({ clientSecret: 'a: {b}', repeatsRefresh: true })
    expect(config.backends[0]?.instances).toEqual(['http://crm-1/mcp'])
  })

  it('take the words of a number or a truth value from the environment as the string that a string field wants', () => {
    const upstream = { ...OIDC, clientSecret: '${SECRET}', clientId: '${ID}' }
    const config = readTree({ ...MINIMAL, upstream }, { env: { SECRET: '12345', ID: 'true' } })
    expect(config.upstream).toMatchObject({ clientSecret: '12345', clientId: 'true' })
  })

  it('are all reported where they fail, once each', () => {
    const upstream = {
      ...OIDC,
      clientId: '${ID}',
      clientSecret: 'file:missing',
      scopes: ['${SCOPE}', 'openid', 'offline_access'],
    }
    expect(complaints({ publicUrl: '${URL}', keys: ['${KEY}'], upstream })).toEqual([
      'publicUrl: environment variable URL is not set',
      'upstream.clientId: environment variable ID is not set',
      'upstream.clientSecret: file missing cannot be read: there is no such file',
      'upstream.scopes[0]: environment variable SCOPE is not set',
      'keys[0]: environment variable KEY is not set',
    ])
  })
})
