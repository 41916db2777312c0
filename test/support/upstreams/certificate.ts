import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createSelfSigned } from '../self-signed.ts'

export type KeyAndCertificate = {
  /** PEM. */
  key: string
  /** PEM. */
  certificate: string
  publicKey: KeyObject
}

/** A key as a client has one, with a certificate that it has signed itself. */
export function createCertificate(
  kind: { rsaBits?: number; curve?: string } = {},
): KeyAndCertificate {
  const keys = kind.curve
    ? generateKeyPairSync('ec', { namedCurve: kind.curve })
    : generateKeyPairSync('rsa', { modulusLength: kind.rsaBits ?? 2048 })
  const { key, cert: certificate } = createSelfSigned(['gateway.example.com'], keys)
  return { key, certificate, publicKey: keys.publicKey }
}
