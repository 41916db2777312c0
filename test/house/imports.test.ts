import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../../src')

/** What each room may import of the others; the first entry that a file's path starts with is its room. */
const ROOMS: readonly (readonly [room: string, mayImport: readonly string[]])[] = [
  ['domain/', ['domain/']],
  ['store/port', ['domain/', 'store/port']],
  ['store/', ['domain/', 'store/', 'observability/']],
  ['upstream/', ['domain/', 'store/port', 'upstream/', 'observability/']],
  [
    'authorization-server/',
    [
      'domain/',
      'store/port',
      'upstream/',
      'authorization-server/',
      'http/pages/',
      'http/guarded-fetch',
      'observability/',
    ],
  ],
  [
    'resource-server/',
    [
      'domain/',
      'upstream/',
      'resource-server/',
      'authorization-server/assertions/assertion-algorithms',
      'authorization-server/assertions/verify-with-each-key',
      'proxy/admission',
      'http/guarded-fetch',
      'http/trusted-fetch',
      'observability/',
    ],
  ],
  [
    'proxy/',
    [
      'domain/',
      'store/port',
      'upstream/tokens',
      'upstream/fresh-token',
      'proxy/',
      'observability/',
    ],
  ],
  ['http/listener', ['http/listener/']],
  ['http/pages/', ['domain/', 'http/pages/']],
  ['http/', ['domain/', 'http/', 'observability/']],
  ['observability/', ['domain/', 'observability/']],
  // Pure data and types of the upstream room: what can be configured is described where it is used.
  ['config/', ['domain/', 'config/', 'upstream/preset', 'upstream/credential.ts']],
  [
    'cli/',
    [
      'domain/',
      'store/',
      'upstream/',
      'authorization-server/',
      'proxy/',
      'http/',
      'observability/',
      'config/',
      'cli/',
    ],
  ],
  // A process of its own, like `main.ts`.
  ['dev/demo', ['domain/', 'config/', 'dev/']],
  [
    'dev/',
    [
      'domain/',
      'store/',
      'upstream/',
      'authorization-server/',
      'proxy/',
      'http/',
      'observability/',
      'dev/',
    ],
  ],
  ['gateway', ['']],
  ['main', ['']],
]

/** Packages that some rooms must not know. */
const FORBIDDEN_PACKAGES: Readonly<Record<string, RegExp>> = {
  'domain/': /^(?!node:crypto$)/,
  'store/port': /./,
  'proxy/': /^(hono|@hono\/)/,
  'http/listener': /^(?!node:)/,
}

const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)'([^']+)'/g

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(file =>
  file.endsWith('.ts'),
)

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  return [...text.matchAll(IMPORT)].map(match => match[1] ?? '')
}

describe('the import table', () => {
  it.each(files)('%s imports only what its room may', file => {
    const [room, mayImport] = ROOMS.find(([name]) => file.startsWith(name)) ?? ['no room', []]
    const foreign = importsOf(file).filter(specifier => {
      if (!specifier.startsWith('.')) return FORBIDDEN_PACKAGES[room]?.test(specifier) ?? false
      const target = relative(SRC, resolve(SRC, dirname(file), specifier))
      return !mayImport.some(allowed => target.startsWith(allowed))
    })
    expect({ room, foreign }).toEqual({ room, foreign: [] })
  })

  it('sees imports at all', () => {
    expect(importsOf('upstream/provider.ts')).toContain('./refresh.ts')
    expect(importsOf('store/port.ts')).toContain('../domain/grant.ts')
  })

  it('keeps every file of the product under 300 lines', () => {
    const long = files.filter(
      file => readFileSync(join(SRC, file), 'utf8').split('\n').length > 301,
    )
    expect(long).toEqual([])
  })
})
