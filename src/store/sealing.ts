import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import type { DerivedKey, KeyRing } from '../domain/key-ring.ts'

const VERSION = 'v1'
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts what the store must give back but nobody else may read: AES-256-GCM under the ring's first key, `v1.<kid>.<iv>.<ciphertext and tag>`, each part
 * base64url. The record's key in the store is authenticated with it, so a value that is copied to another place does not open there.
 *
 * @see NIST SP 800-38D
 */
export type Sealer = {
  seal(plaintext: string, recordKey: string): string
  /** @throws SealError where the envelope is not one of ours for this record, or its key has left the ring. */
  unseal(envelope: string, recordKey: string): string
  /** Whether it was sealed with the ring's first key; if not, it is to be sealed anew before that key is removed. */
  isCurrent(envelope: string): boolean
}

/** `unknown-key` is the operator's fault (a key removed too early, a replica with another ring); `tampered` is anybody's. Neither says that a record does not exist. */
export class SealError extends Error {
  readonly reason: 'unknown-key' | 'tampered'

  constructor(reason: 'unknown-key' | 'tampered', message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SealError'
    this.reason = reason
  }
}

export function createSealer(ring: KeyRing): Sealer {
  const keys = new Map<string, KeyObject>()
  const keyOf = ({ kid, key }: DerivedKey): KeyObject => {
    const known = keys.get(kid)
    if (known) return known
    const fresh = createSecretKey(key)
    keys.set(kid, fresh)
    return fresh
  }

  return {
    seal(plaintext, recordKey) {
      const current = ring.current('seal')
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', keyOf(current), iv, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.from(recordKey))
      const sealed = Buffer.concat([
        cipher.update(plaintext, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ])
      return [VERSION, current.kid, iv.toString('base64url'), sealed.toString('base64url')].join(
        '.',
      )
    },
    unseal(envelope, recordKey) {
      const { kid, iv, sealed } = parseEnvelope(envelope)
      const found = ring.find('seal', kid)
      if (!found) {
        throw new SealError(
          'unknown-key',
          `sealed with key ${kid}, which is not among the keys of this gateway`,
        )
      }
      return decrypt(keyOf(found), iv, sealed, recordKey)
    },
    isCurrent: envelope => envelope.startsWith(`${VERSION}.${ring.current('seal').kid}.`),
  }
}

function parseEnvelope(envelope: string): { kid: string; iv: Buffer; sealed: Buffer } {
  const [version, kid, iv, sealed, ...rest] = envelope.split('.')
  if (version !== VERSION || !kid || !iv || !sealed || rest.length > 0) {
    throw new SealError('tampered', 'not a sealed record')
  }
  const parsed = { kid, iv: decode(iv), sealed: decode(sealed) }
  if (parsed.iv.length !== IV_BYTES || parsed.sealed.length < TAG_BYTES) {
    throw new SealError('tampered', 'a sealed record of the wrong length')
  }
  return parsed
}

function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  // Node skips what is not base64url and ignores spare bits; one record has one spelling here.
  if (bytes.toString('base64url') !== text) {
    throw new SealError('tampered', 'a sealed record in a wrong encoding')
  }
  return bytes
}

function decrypt(key: KeyObject, iv: Buffer, sealed: Buffer, recordKey: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(recordKey))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return (
      decipher.update(sealed.subarray(0, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    )
  } catch (cause) {
    throw new SealError('tampered', 'a sealed record that was changed or moved', { cause })
  }
}
