import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { parsed, REDACTED, secret, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { onSection } from '../shapes.ts'

/** The ways in which the gateway can authenticate at the IdP, by the key of the configuration. */
const KEYS = {
  secret: 'clientSecret',
  key: 'clientKey',
  assertionFile: 'clientAssertionFile',
} as const

type Way = keyof typeof KEYS

const certificate = parsed('certificate', parseCertificate).describe(
  'Its certificate, PEM; the thumbprint goes with each assertion. Entra wants one.',
)

const clientKey = z
  .strictObject({
    key: parsed('secret', parseKey, () => REDACTED)
      .meta({ writeOnly: true })
      .describe('A private key, PEM: RSA, or EC on P-256, P-384 or P-521.'),
    certificate: certificate.exactOptional(),
    keyId: text()
      .exactOptional()
      .describe('`kid` of the assertions, where the IdP knows the key by one.'),
  })
  .check(z.superRefine(checkPair, onSection))
  .describe('A key instead of a secret: the gateway signs an assertion with it (RFC 7523).')

const clientAssertionFile = parsed('absolute path', parsePath).describe(
  'An assertion instead of a secret, in a file that the platform renews (workload identity); read at each use.',
)

/** The keys of the credential, for a provider that takes it in these ways; exactly one of them is needed: `checkCredential`. */
export function credentialShape(ways: readonly Way[]) {
  const isOnly = ways.length === 1
  const clientSecret = secret().describe('The secret of that client.')
  return {
    clientSecret: isOnly ? clientSecret : clientSecret.exactOptional(),
    ...(ways.includes('key') && { clientKey: clientKey.exactOptional() }),
    ...(ways.includes('assertionFile') && {
      clientAssertionFile: clientAssertionFile.exactOptional(),
    }),
  }
}

/** What is wrong with the credential as a whole; a missing secret is a fault by itself where there is no choice. */
export function findCredentialFault(
  section: Readonly<Record<string, unknown>>,
  ways: readonly Way[],
): { key: string; message: string } | undefined {
  if (ways.length === 1) return undefined
  const keys = ways.map(way => KEYS[way])
  const [first, second] = keys.filter(key => section[key] !== undefined)
  if (first === undefined) return { key: 'clientSecret', message: `needs one of ${list(keys)}` }
  if (second === undefined) return undefined
  return { key: second, message: `takes one of ${list(keys)}, and there is ${first} already` }
}

function list(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

function checkPair(value: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const { key, certificate } = value
  if (typeof key !== 'string' || typeof certificate !== 'string') return
  const privateKey = findKey(key)
  const isPair = privateKey && isCertificateOf(certificate, privateKey)
  if (isPair ?? true) return
  context.addIssue({
    code: 'custom',
    message: 'is the certificate of another key',
    path: ['certificate'],
  })
}

/** `undefined` where one of the two is no such thing at all, which is another fault. */
function isCertificateOf(pem: string, key: KeyObject): boolean | undefined {
  try {
    return new X509Certificate(pem).checkPrivateKey(key)
  } catch {
    return undefined
  }
}

function findKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function parseKey(pem: string): string {
  const key = findKey(pem)
  if (!key) throw new Malformed('is not a private key in PEM without a passphrase')
  if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec') {
    throw new Malformed('must be an RSA or EC key')
  }
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048) {
    throw new Malformed('must have 2048 bits at least')
  }
  return pem
}

function parseCertificate(pem: string): string {
  try {
    return new X509Certificate(pem) && pem
  } catch {
    throw new Malformed('is not a certificate in PEM')
  }
}

function parsePath(path: string): string {
  if (isAbsolute(path)) return path
  throw new Malformed('must be an absolute path: the file is read again at each use')
}
