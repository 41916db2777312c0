/**
 * Public keys with which a client signs. Only what is for verifying signatures is kept, so nothing else of a stranger's key set reaches a library.
 *
 * @see RFC 7517, RFC 7518 section 6
 */

export type PublicKey = {
  kty: string
  kid?: string
  alg?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

export type PublicKeySet = { keys: readonly PublicKey[] }

const MAX_KEYS = 32
const KEY_TYPES = new Set(['EC', 'OKP', 'RSA'])
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const PUBLIC_MEMBERS = ['kty', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'] as const

/** @returns the keys of a JWK Set that can verify signatures, or, as a text, why it is not acceptable: who publishes a private key has lost it */
export function parsePublicKeys(value: unknown): PublicKeySet | string {
  const keys = isObject(value) ? value.keys : undefined
  if (!Array.isArray(keys) || !keys.every(isObject)) return 'is not a JWK Set'
  if (keys.length > MAX_KEYS) return `has more than ${MAX_KEYS} keys`
  if (keys.some(key => PRIVATE_MEMBERS.some(member => member in key))) {
    return 'contains a private or symmetric key'
  }
  const usable = keys.filter(verifiesSignatures).map(publicMembers)
  return usable.length > 0 ? { keys: usable } : 'has no public key for signatures'
}

/** Other keys may stand beside them; they are not for us. */
function verifiesSignatures({ kty, use, key_ops: operations }: Record<string, unknown>): boolean {
  if (typeof kty !== 'string' || !KEY_TYPES.has(kty)) return false
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

function publicMembers(key: Record<string, unknown>): PublicKey {
  const members = PUBLIC_MEMBERS.flatMap(name => {
    const value = key[name]
    return typeof value === 'string' ? [[name, value]] : []
  })
  return { kty: String(key.kty), ...Object.fromEntries(members) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
