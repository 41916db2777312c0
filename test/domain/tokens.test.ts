import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyRing, mintKey } from '../../src/domain/key-ring.ts'
import { isCodeChallenge, isCodeVerifierOf } from '../../src/domain/pkce.ts'
import { mintRefreshToken, verifyRefreshToken } from '../../src/domain/refresh-token.ts'
import { createId } from '../../src/domain/secret.ts'

const oldKey = randomBytes(32)
const newKey = randomBytes(32)

describe('the key ring', () => {
  it('refuses to be empty and refuses keys of another length', () => {
    expect(() => createKeyRing([])).toThrow(RangeError)
    expect(() => createKeyRing([randomBytes(32), randomBytes(16)])).toThrow(
      'key 2 has 16 bytes instead of 32',
    )
  })
  it('signs with the first key and finds every one', () => {
    const ring = createKeyRing([newKey, oldKey])
    expect(ring.current('seal').kid).toBe(createKeyRing([newKey]).current('seal').kid)
    expect(ring.find('seal', createKeyRing([oldKey]).current('seal').kid)).toBeDefined()
    expect(ring.find('seal', 'unknown1')).toBeUndefined()
  })
  it('derives another key for each purpose', () => {
    const ring = createKeyRing([newKey])
    expect(ring.current('seal').key).not.toEqual(ring.current('access-token').key)
  })
  it('mints keys that it takes', () => {
    expect(createKeyRing([Buffer.from(mintKey(), 'base64')]).kids).toHaveLength(1)
  })
})

describe('refresh tokens', () => {
  const ring = createKeyRing([newKey, oldKey])
  it('are verified with any key of the ring', () => {
    const grantId = createId()
    const token = mintRefreshToken(createKeyRing([oldKey]), grantId, 7)
    expect(verifyRefreshToken(ring, token)).toEqual({ grantId, generation: 7, kid: ring.kids[1] })
  })
  it('are the same each time for one generation and key', () => {
    const grantId = createId()
    expect(mintRefreshToken(ring, grantId, 3)).toBe(mintRefreshToken(ring, grantId, 3))
  })
  it('are not accepted with any character changed', () => {
    const token = mintRefreshToken(ring, createId(), 1)
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...'ABab01-_.~'), (at, character) => {
        const tampered = token.slice(0, at) + character + token.slice(at + 1)
        fc.pre(tampered !== token)
        expect(verifyRefreshToken(ring, tampered)).toBeUndefined()
      }),
    )
  })
  it('are not made by anything else', () => {
    fc.assert(fc.property(fc.string(), text => verifyRefreshToken(ring, text) === undefined))
  })
})

describe('PKCE (RFC 7636)', () => {
  // The example of RFC 7636 appendix B.
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
  it('matches the verifier that the challenge was made from', () => {
    expect(isCodeChallenge(challenge)).toBe(true)
    expect(isCodeVerifierOf(challenge, verifier)).toBe(true)
  })
  it.each(['', challenge, verifier.slice(1), `${verifier}x`, 'x'.repeat(43), 'x'.repeat(129)])(
    'refuses %j',
    wrong => {
      expect(isCodeVerifierOf(challenge, wrong)).toBe(false)
    },
  )
  it('takes tilde and dot, up to 128 characters', async () => {
    const { createHash } = await import('node:crypto')
    const long = '~.-_'.repeat(32)
    expect(isCodeVerifierOf(createHash('sha256').update(long).digest('base64url'), long)).toBe(true)
  })
  it.each(['', 'plain', `${challenge}=`, challenge.slice(1), `${challenge.slice(1)}+`])(
    'takes %j for no challenge',
    text => {
      expect(isCodeChallenge(text)).toBe(false)
    },
  )
})
