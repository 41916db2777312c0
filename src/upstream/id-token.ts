import {
  compactVerify,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  type JSONWebKeySet,
} from 'jose'
import type { Configuration } from 'openid-client'

/** Verifies the signature of an ID token whose claims `openid-client` has checked. */
export type IdTokenVerifier = {
  /**
   * @param claims those of the token
   * @throws JOSEError where no key of the upstream has signed it
   * @throws InvalidAnswer where the key is not one of this issuer
   */
  verify(idToken: string, claims: Readonly<Record<string, unknown>>): Promise<void>
}

/** An answer of the upstream that must not be believed. `error` is for the log. */
export class InvalidAnswer extends Error {
  readonly error: string

  constructor(error: string) {
    super(`the upstream's answer is not to be believed: ${error}`)
    this.name = 'InvalidAnswer'
    this.error = error
  }
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const TENANT = '{tenantid}'

export function createIdTokenVerifier(
  configuration: Configuration,
  options: { fetch: typeof fetch; timeoutMs: number },
): IdTokenVerifier {
  const { issuer, jwks_uri: jwksUri } = configuration.serverMetadata()
  if (jwksUri === undefined) throw new InvalidAnswer('metadata_without_jwks_uri')
  const keys = createRemoteJWKSet(new URL(jwksUri), {
    [customFetch]: options.fetch,
    timeoutDuration: options.timeoutMs,
    // The keys may have been rotated since the last look. Nobody but the upstream can have us look: the token came from its token endpoint.
    cooldownDuration: 0,
  })
  return {
    verify: async (idToken, claims) => {
      await compactVerify(idToken, keys)
      checkTenantIssuer(issuer, claims)
      checkKeyIssuer(keys.jwks(), idToken, claims)
    },
  }
}

/**
 * For an upstream whose metadata is shared by its tenants: the issuer names the tenant of the token, whatever that is. Whether the tenant may sign in is another matter.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
 */
function checkTenantIssuer(issuer: string, { iss, tid }: Readonly<Record<string, unknown>>): void {
  if (!issuer.includes(TENANT)) return
  const isTenant = typeof tid === 'string' && GUID.test(tid)
  if (!isTenant || iss !== issuer.replace(TENANT, tid)) throw new InvalidAnswer('tenant_issuer')
}

/** A key that is bound to an issuer signs for no other: shared key sets hold keys of single tenants too. */
function checkKeyIssuer(
  jwks: JSONWebKeySet | undefined,
  idToken: string,
  { iss, tid }: Readonly<Record<string, unknown>>,
): void {
  const { kid } = decodeProtectedHeader(idToken)
  const key = jwks?.keys.find(candidate => candidate.kid === kid)
  if (!key || !('issuer' in key) || typeof key.issuer !== 'string') return
  if (key.issuer.replace(TENANT, String(tid)) !== iss) throw new InvalidAnswer('key_issuer')
}
