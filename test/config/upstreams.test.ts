import { describe, expect, it } from 'vitest'
import { renderEffective } from '../../src/config/effective.ts'
import { upstreamsOf } from '../../src/config/upstreams.ts'
import { resolveUpstreams } from '../../src/gateway/upstreams.ts'
import { complaints, MINIMAL, OIDC, read, readTree } from './support.ts'

const { upstream: _, ...REST } = MINIMAL
const upstreams = { staff: OIDC, partners: { ...OIDC, issuer: 'https://partners.example.com' } }
const backend = (path: string, more: object = {}) => ({
  ...{ path, instances: ['http://crm-1:8080/mcp'] },
  ...more,
})
const SEVERAL = {
  ...REST,
  upstreams,
  backends: [
    backend('/crm/mcp', { upstream: 'staff' }),
    backend('/wiki/mcp', {
      upstream: 'partners',
      allow: {
        any: [
          { claim: 'org', value: 'a' },
          { claim: 'org', value: 'b' },
        ],
      },
    }),
  ],
}

describe('several upstreams', () => {
  it('have names, and each keeps the claims that rules of its own backends look at', () => {
    const options = resolveUpstreams(readTree(SEVERAL))
    expect(options.map(({ name, issuer, keptClaims }) => [name, issuer, keptClaims])).toEqual([
      ['staff', 'https://login.example.com', []],
      ['partners', 'https://partners.example.com', ['org']],
    ])
  })

  it('are printed as they are written', () => {
    const again = read(renderEffective(readTree(SEVERAL)))
    expect(upstreamsOf(again).map(([name]) => name)).toEqual(['staff', 'partners'])
  })

  it.each([
    ['nor one', {}, 'upstream: is required'],
    ['both', { upstream: OIDC, upstreams }, 'upstreams: cannot stand beside upstream'],
    ['none', { upstreams: {} }, 'upstreams: needs at least one entry'],
    [
      'the development IdP among them',
      { upstreams: { staff: { provider: 'dev' } } },
      expect.stringContaining('upstreams.staff.provider: '),
    ],
    [
      'a name with a blank',
      { upstreams: { 'a b': OIDC } },
      'upstreams.a b: expected up to 63 letters, digits, dots, dashes and underscores',
    ],
  ])('cannot be %s', (_, given, complaint) => {
    const named = 'upstreams' in given ? Object.keys(given.upstreams)[0] : undefined
    const backends = [
      backend('/crm/mcp', named === undefined || 'upstream' in given ? {} : { upstream: named }),
    ]
    const found = complaints({ ...given, backends }, {}, { publicUrl: MINIMAL.publicUrl })
    expect(found.filter(text => !text.startsWith('backends'))).toEqual([complaint])
  })

  it.each([
    ['no name', {}, 'backends[0].upstream: is required: there are several upstreams'],
    ['an unknown name', { upstream: 'stafff' }, 'backends[0].upstream: is not one of upstreams'],
  ])('are not for a backend with %s', (_, more, complaint) => {
    const tree = { upstreams, backends: [backend('/crm/mcp', more)] }
    expect(complaints(tree, {}, REST)).toEqual([complaint])
  })

  it('are not named where there is one', () => {
    expect(complaints({ backends: [backend('/crm/mcp', { upstream: 'staff' })] })).toEqual([
      'backends[0].upstream: is for several upstreams, and there is one',
    ])
  })
})
