import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type CryptoKey,
  modifyAssertion,
  PrivateKeyJwt,
} from 'openid-client'
import type { ClientKey, UpstreamOptions } from './options.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * How the gateway proves to the upstream who it is: a secret, a key of its own, or an assertion that somebody else has put into a file.
 *
 * @throws RangeError where the options have none of the three
 * @see RFC 6749 section 2.3.1, RFC 7523 sections 2.2 and 3
 */
export function createClientAuth(options: UpstreamOptions): ClientAuth {
  const { clientSecret, clientKey, clientAssertionFile, tokenAuthMethod } = options
  if (clientKey) return authenticateWithKey(clientKey)
  if (clientAssertionFile !== undefined) return authenticateWithFile(clientAssertionFile)
  if (clientSecret === undefined) throw new RangeError('the upstream has no client credential')
  return tokenAuthMethod === 'client_secret_basic'
    ? ClientSecretBasic(clientSecret)
    : ClientSecretPost(clientSecret)
}

function authenticateWithKey(clientKey: ClientKey): ClientAuth {
  const { keyId, certificate, audience } = clientKey
  const thumbprint = certificate === undefined ? undefined : thumbprintOf(certificate)
  let imported: Promise<CryptoKey> | undefined
  return async (as, client, body, headers) => {
    imported ??= importKey(clientKey)
    const sign = PrivateKeyJwt(await imported, {
      [modifyAssertion]: (header, payload) => {
        if (keyId !== undefined) header.kid = keyId
        if (thumbprint !== undefined) header['x5t#S256'] = thumbprint
        if (audience === 'tokenEndpoint') payload.aud = as.token_endpoint
      },
    })
    await sign(as, client, body, headers)
  }
}

/** Read at each use: it is replaced long before it ends, and lives for an hour or so. */
function authenticateWithFile(path: string): ClientAuth {
  return async (_as, client, body) => {
    const assertion = (await readFile(path, 'utf8')).trim()
    body.set('client_id', client.client_id)
    body.set('client_assertion_type', JWT_BEARER)
    body.set('client_assertion', assertion)
  }
}

const RSA = {
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

/** @throws TypeError where it is a key of a kind with which nothing can be signed here */
async function importKey({ key, rsaAlgorithm }: ClientKey): Promise<CryptoKey> {
  const keyObject = createPrivateKey(key)
  const der = keyObject.export({ type: 'pkcs8', format: 'der' })
  const { namedCurve = '' } = keyObject.asymmetricKeyDetails ?? {}
  const algorithm =
    keyObject.asymmetricKeyType === 'ec'
      ? { name: 'ECDSA', namedCurve: CURVES[namedCurve] ?? namedCurve }
      : RSA[rsaAlgorithm]
  return crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign'])
}

/** @see RFC 7515 section 4.1.8 */
function thumbprintOf(certificate: string): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url')
}
