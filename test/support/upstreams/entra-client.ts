import { createHash, X509Certificate } from 'node:crypto'
import { decodeProtectedHeader, importX509, jwtVerify } from 'jose'
import type { EntraCode } from './entra-errors.ts'

/** The gateway as it is registered: with a secret, a certificate, or the assertion of a workload that is trusted. */
export type EntraClient = {
  clientId: string
  clientSecret: string
  /** PEM. */
  certificate?: string
  /** What the workload's issuer signs; any of them. */
  federatedAssertions?: readonly string[]
}

type Form = Readonly<Record<string, string>>

/** @returns the code of what is wrong with the client's authentication */
export async function checkEntraClient(
  client: EntraClient,
  form: Form,
): Promise<EntraCode | undefined> {
  if (form.client_id !== client.clientId) return 7000215
  if (form.client_assertion === undefined) {
    return form.client_secret === client.clientSecret ? undefined : 7000215
  }
  if (client.federatedAssertions?.includes(form.client_assertion)) return undefined
  return client.certificate !== undefined && (await isSigned(client, client.certificate, form))
    ? undefined
    : 700027
}

/** The certificate is found by its thumbprint, and the assertion is addressed to the token endpoint. */
async function isSigned(
  { clientId }: EntraClient,
  certificate: string,
  { client_assertion: assertion = '' }: Form,
): Promise<boolean> {
  const thumbprint = createHash('sha256').update(new X509Certificate(certificate).raw)
  const header = decodeProtectedHeader(assertion)
  if (header['x5t#S256'] !== thumbprint.digest('base64url')) return false
  const key = await importX509(certificate, 'PS256')
  const { payload } = await jwtVerify(assertion, key, {
    algorithms: ['PS256'],
    issuer: clientId,
    subject: clientId,
    requiredClaims: ['jti', 'exp'],
  })
  return /^https:\/\/login\.microsoftonline\.com\/[^/]+\/oauth2\/v2\.0\/token$/.test(
    String(payload.aud),
  )
}
