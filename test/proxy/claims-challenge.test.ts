import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findRequiredClaims } from '../../src/proxy/claims-challenge.ts'

const CLAIMS = { access_token: { acrs: { essential: true, value: 'c1' } } }

const encode = (claims: unknown, encoding: BufferEncoding = 'base64') =>
  Buffer.from(JSON.stringify(claims)).toString(encoding)

const challenge = (claims: string, more = '') =>
  `Bearer realm="", ${more}error="insufficient_claims", claims="${claims}"`

describe('a claims challenge of a backend', () => {
  it.each<[string, string[]]>([
    ['as Entra documents it', ['WWW-Authenticate', challenge(encode(CLAIMS))]],
    ['in base64url', ['www-authenticate', challenge(encode(CLAIMS, 'base64url'))]],
    ['with other parameters', ['WWW-Authenticate', challenge(encode(CLAIMS), 'client_id="a", ')]],
    [
      'beside another challenge',
      [
        'Date',
        'x',
        'WWW-Authenticate',
        'Basic realm="a"',
        'WWW-Authenticate',
        challenge(encode(CLAIMS)),
      ],
    ],
  ])('is read %s', (_, fields) => {
    expect(findRequiredClaims(fields)).toBe(JSON.stringify(CLAIMS))
  })

  it('takes as much time as it is long, and not more', () => {
    const name = 'a'.repeat(100_000)
    const startedAt = performance.now()
    expect(findRequiredClaims(['WWW-Authenticate', `Bearer ${name}`])).toBeUndefined()
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })

  it('says nothing about anything but the access token', () => {
    const greedy = { ...CLAIMS, id_token: { email: null }, userinfo: { phone: null } }
    expect(findRequiredClaims(['WWW-Authenticate', challenge(encode(greedy))])).toBe(
      JSON.stringify(CLAIMS),
    )
  })

  it.each<[string, string[]]>([
    ['none', []],
    [
      'another error',
      ['WWW-Authenticate', `Bearer error="invalid_token", claims="${encode(CLAIMS)}"`],
    ],
    ['no claims', ['WWW-Authenticate', 'Bearer error="insufficient_claims"']],
    ['claims that are no JSON', ['WWW-Authenticate', challenge('AAAA')]],
    ['claims of nothing', ['WWW-Authenticate', challenge(encode({}))]],
    ['claims that are a list', ['WWW-Authenticate', challenge(encode({ access_token: [] }))]],
    ['claims that are null', ['WWW-Authenticate', challenge(encode(null))]],
    [
      'more than fits',
      ['WWW-Authenticate', challenge(encode({ access_token: { a: 'x'.repeat(5000) } }))],
    ],
    ['a field that only has such a value', ['X-Other', challenge(encode(CLAIMS))]],
  ])('is none where there is %s', (_, fields) => {
    expect(findRequiredClaims(fields)).toBeUndefined()
  })

  it('never throws, whatever a backend sends', () => {
    fc.assert(
      fc.property(fc.string(), fc.base64String(), (text, encoded) => {
        findRequiredClaims(['WWW-Authenticate', text])
        findRequiredClaims(['WWW-Authenticate', challenge(encoded)])
      }),
    )
  })
})
