import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePublicKeys } from '../../src/domain/public-keys.ts'

const EC = { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ', kid: 'a' }
const RSA = { kty: 'RSA', n: 'bg', e: 'AQAB', alg: 'RS256' }

describe('public keys (RFC 7517)', () => {
  it('are what verifies signatures, and nothing more of it', () => {
    const keys = [
      { ...EC, use: 'sig', key_ops: ['verify'], ext: true, x5c: ['…'], x5u: 'https://x.example' },
      RSA,
    ]
    expect(parsePublicKeys({ keys, extra: 1 })).toEqual({ keys: [EC, RSA] })
  })

  it('may stand among others', () => {
    const others = [
      { ...EC, use: 'enc' },
      { ...EC, key_ops: ['deriveBits'] },
      { kty: 'new', future: 1 },
      { kid: 'no type' },
    ]
    expect(parsePublicKeys({ keys: [...others, RSA] })).toEqual({ keys: [RSA] })
    expect(parsePublicKeys({ keys: others })).toBe('has no public key for signatures')
  })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'])(
    'are refused as a whole where one has the member %s',
    member => {
      const keys = [RSA, { ...EC, [member]: 'eA' }]
      expect(parsePublicKeys({ keys })).toBe('contains a private or symmetric key')
    },
  )

  it.each([[null], [[]], ['{}'], [{}], [{ keys: {} }], [{ keys: [null] }], [{ keys: [[]] }]])(
    'are no %j',
    value => {
      expect(parsePublicKeys(value)).toBe('is not a JWK Set')
    },
  )

  it('are at most 32', () => {
    expect(parsePublicKeys({ keys: Array(32).fill(RSA) })).toHaveProperty('keys')
    expect(parsePublicKeys({ keys: Array(33).fill(RSA) })).toBe('has more than 32 keys')
  })

  it('come out of any value as keys of strings, or with a reason', () => {
    const key = fc.dictionary(fc.constantFrom('kty', 'n', 'd', 'use', 'kid'), fc.jsonValue())
    const value = fc.oneof(fc.jsonValue(), fc.record({ keys: fc.array(key) }))
    fc.assert(
      fc.property(value, json => {
        const parsed = parsePublicKeys(json)
        if (typeof parsed === 'string') return parsed !== ''
        return parsed.keys.every(
          found => !('d' in found) && Object.values(found).every(part => typeof part === 'string'),
        )
      }),
    )
  })
})
