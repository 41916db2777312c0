import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createSealer, SealError } from '../../src/store/sealing.ts'

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'

describe('sealing', () => {
  const sealer = createSealer(createKeyRing([OLD]))

  it('gives back whatever was sealed, for the same record', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (plaintext, recordKey) => {
        expect(sealer.unseal(sealer.seal(plaintext, recordKey), recordKey)).toBe(plaintext)
      }),
    )
  })

  it('opens nothing of which a single character was changed', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(),
        fc.constantFrom(...BASE64URL),
        (plaintext, position, character) => {
          const envelope = sealer.seal(plaintext, 'record')
          const at = position % envelope.length
          fc.pre(envelope[at] !== character)
          const changed = envelope.slice(0, at) + character + envelope.slice(at + 1)
          expect(() => sealer.unseal(changed, 'record')).toThrow(SealError)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('opens nothing that is cut, prolonged or no envelope at all', () => {
    const envelope = sealer.seal('secret', 'record')
    const [version, kid, iv, sealed] = envelope.split('.')
    for (const text of [
      '',
      'secret',
      '{"a":1}',
      envelope.slice(0, -1),
      `${envelope}A`,
      `${envelope}.`,
      ` ${envelope}`,
      `${envelope}=`,
      `${version}.${kid}.${iv}.`,
      `${version}.${kid}..${sealed}`,
      `v2.${kid}.${iv}.${sealed}`,
    ]) {
      expect(() => sealer.unseal(text, 'record'), text).toThrow(SealError)
    }
  })

  it('opens nothing under the key of another record', () => {
    const envelope = sealer.seal('secret', 'record')
    expect(() => sealer.unseal(envelope, 'another')).toThrow(/changed or moved/)
  })

  it('never seals the same twice alike, and shows nothing of it', () => {
    const [first, second] = [sealer.seal('secret', 'record'), sealer.seal('secret', 'record')]
    expect(first).not.toBe(second)
    expect(Buffer.from(first.split('.')[3] ?? '', 'base64url').toString()).not.toContain('secret')
  })

  it('seals with the first key of the ring and opens with each', () => {
    const envelope = sealer.seal('secret', 'record')
    const both = createSealer(createKeyRing([NEW, OLD]))
    expect(both.unseal(envelope, 'record')).toBe('secret')
    expect(both.isCurrent(envelope)).toBe(false)
    expect(both.isCurrent(both.seal('secret', 'record'))).toBe(true)
    expect(() => sealer.unseal(both.seal('secret', 'record'), 'record')).toThrow(SealError)
  })

  it('names the key that is missing', () => {
    const envelope = sealer.seal('secret', 'record')
    const other = createSealer(createKeyRing([NEW]))
    const [kid] = createKeyRing([OLD]).kids
    const failure = expect.objectContaining({
      reason: 'unknown-key',
      message: expect.stringContaining(kid ?? '-'),
    })
    expect(() => other.unseal(envelope, 'record')).toThrow(failure)
  })
})
