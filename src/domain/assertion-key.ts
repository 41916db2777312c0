import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'

/** Signs assertions for backends: a P-256 key for ES256. */
export type AssertionKey = { kid: string; privateKey: KeyObject; publicJwk: PublicJwk }

export type PublicJwk = {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  use: 'sig'
  alg: 'ES256'
}

/** The order of P-256. @see FIPS 186-5, SP 800-186 section 3.2.1.3 */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
/** 128 bits more than the order has, so that the remainder is not biased. @see FIPS 186-5 appendix A.2.1 */
const SEED_BYTES = 48

/**
 * The signing keys that follow from the ring, first to last: the same on every replica, with nothing to store. The first one signs; all are published, so that what the one
 * before has signed is still good.
 */
export function deriveAssertionKeys(ring: KeyRing): [AssertionKey, ...AssertionKey[]] {
  const rest = ring.kids.slice(1).flatMap(kid => ring.find('assertion', kid) ?? [])
  return [derive(ring.current('assertion').key), ...rest.map(({ key }) => derive(key))]
}

function derive(secret: Uint8Array): AssertionKey {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'P-256 private key', SEED_BYTES))
  const scalar = (BigInt(`0x${seed.toString('hex')}`) % (ORDER - 1n)) + 1n
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(d)
  const point = ecdh.getPublicKey()
  const x = point.subarray(1, 33).toString('base64url')
  const y = point.subarray(33).toString('base64url')
  const kid = thumbprintOf(x, y)
  const key = { kty: 'EC', crv: 'P-256', x, y } as const
  return {
    kid,
    privateKey: createPrivateKey({ key: { ...key, d: d.toString('base64url') }, format: 'jwk' }),
    publicJwk: { ...key, kid, use: 'sig', alg: 'ES256' },
  }
}

/** @see RFC 7638 section 3 */
function thumbprintOf(x: string, y: string): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
}
