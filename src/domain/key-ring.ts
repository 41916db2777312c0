import { createHash, hkdfSync, randomBytes } from 'node:crypto'

/** What a derived key is for. Each purpose has its own key, so no use can be turned against another. */
export type KeyPurpose =
  | 'access-token'
  | 'assertion'
  | 'client-id'
  | 'client-secret'
  | 'refresh-token'
  | 'seal'

export type DerivedKey = { kid: string; key: Buffer }

/**
 * The keys of the gateway, in order. The first one seals and signs; all of them open and verify, so a key is replaced by putting the new one first and
 * removing the old one after the longest life of what it made.
 */
export type KeyRing = {
  /** Key ids, first to last. A key id is a digest of its key and says nothing about it. */
  readonly kids: readonly string[]
  /** The first key, derived for one purpose. */
  current(purpose: KeyPurpose): DerivedKey
  /** The key with this id, derived for one purpose; `undefined` where the ring does not hold it. */
  find(purpose: KeyPurpose, kid: string): DerivedKey | undefined
}

const KEY_BYTES = 32

/**
 * @param keys 32 bytes each.
 * @throws RangeError where there is no key, or one of another length.
 * @see RFC 5869
 */
export function createKeyRing(keys: readonly Uint8Array[]): KeyRing {
  const wrong = keys.findIndex(key => key.byteLength !== KEY_BYTES)
  if (keys.length === 0) throw new RangeError('a key ring needs at least one key')
  if (wrong !== -1) {
    throw new RangeError(
      `key ${wrong + 1} has ${keys[wrong]?.byteLength} bytes instead of ${KEY_BYTES}`,
    )
  }
  const ring = new Map(keys.map(key => [kidOf(key), key]))
  const derived = new Map<string, DerivedKey>()
  const find = (purpose: KeyPurpose, kid: string): DerivedKey | undefined => {
    const known = derived.get(`${purpose}:${kid}`)
    if (known) return known
    const key = ring.get(kid)
    if (!key) return undefined
    const fresh = { kid, key: derive(key, purpose) }
    derived.set(`${purpose}:${kid}`, fresh)
    return fresh
  }
  const kids = [...ring.keys()]
  return {
    kids,
    find,
    current: purpose => find(purpose, kids[0] as string) as DerivedKey,
  }
}

/** A new key in the form the configuration takes: 32 random bytes, base64. */
export function mintKey(): string {
  return randomBytes(KEY_BYTES).toString('base64')
}

function derive(key: Uint8Array, purpose: KeyPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `mcp-auth-gateway ${purpose}`, KEY_BYTES))
}

function kidOf(key: Uint8Array): string {
  return createHash('sha256')
    .update('mcp-auth-gateway kid')
    .update(key)
    .digest('base64url')
    .slice(0, 8)
}
