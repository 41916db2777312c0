/** Algorithms of client assertions: signatures by a private key, and nothing that a public key or no key at all could make. @see RFC 7518 section 3.1, RFC 9864 */
export const ASSERTION_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
]

export function isAssertionAlgorithm(algorithm: string): boolean {
  return ASSERTION_ALGORITHMS.includes(algorithm)
}
