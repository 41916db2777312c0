import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export type KeyAndCertificate = {
  /** PEM. */
  key: string
  /** PEM. */
  certificate: string
  publicKey: KeyObject
}

/** A key with a certificate that it has signed itself. */
export function createCertificate(
  kind: { rsaBits?: number; curve?: string } = {},
): KeyAndCertificate {
  const { privateKey, publicKey } = kind.curve
    ? generateKeyPairSync('ec', { namedCurve: kind.curve })
    : generateKeyPairSync('rsa', { modulusLength: kind.rsaBits ?? 2048 })
  const algorithm = kind.curve
    ? sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]))
    : sequence(oid([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]), tlv(0x05))
  const name = sequence(
    tlv(0x31, sequence(oid([0x55, 0x04, 0x03]), tlv(0x0c, Buffer.from('gateway')))),
  )
  const toBeSigned = sequence(
    tlv(0x02, Buffer.from([1])),
    algorithm,
    name,
    sequence(time('250101000000Z'), time('491231235959Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign('sha256', toBeSigned, privateKey)
  const der = sequence(toBeSigned, algorithm, tlv(0x03, Buffer.from([0]), signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: toPem(der),
    publicKey,
  }
}

/** @see ITU-T X.690 section 8.1 */
function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts)
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), value])
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts)
}

function oid(bytes: number[]): Buffer {
  return tlv(0x06, Buffer.from(bytes))
}

function time(text: string): Buffer {
  return tlv(0x17, Buffer.from(text))
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
