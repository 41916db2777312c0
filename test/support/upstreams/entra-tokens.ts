import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import type { EntraCode } from './entra-errors.ts'

export type EntraUser = {
  /** The tenant that the user belongs to. */
  tid: string
  oid: string
  name: string
  email: string
  /** GUIDs; above 200 they are left out of the token, which then says where to ask. */
  groups: readonly string[]
  roles?: readonly string[]
}

export type EntraKeys = {
  jwks(): { keys: object[] }
  /** Signs with a new key from now on, and publishes no other. */
  rotate(): Promise<void>
  /** Binds the key to one tenant: it signs for no other. */
  bindTo(tid: string): void
  sign(claims: Record<string, unknown>, typ?: string): Promise<string>
}

/** How many groups fit into a JWT. */
const GROUP_LIMIT = 200

export async function createEntraKeys(): Promise<EntraKeys> {
  let tenant = '{tenantid}'
  let current = await createKey()
  return {
    jwks: () => ({ keys: [{ ...current.jwk, issuer: issuerOf(tenant) }] }),
    rotate: async () => {
      current = await createKey()
    },
    bindTo: tid => {
      tenant = tid
    },
    sign: (claims, typ = 'JWT') =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: current.kid, typ })
        .sign(current.privateKey),
  }
}

export function issuerOf(tenant: string): string {
  return `https://login.microsoftonline.com/${tenant}/v2.0`
}

/** Claims of both tokens of an answer. Times are on the vendor's clock. */
export function claimsOf(user: EntraUser, audience: string, now: number): Record<string, unknown> {
  const { tid, oid, name, groups, roles } = user
  return {
    aud: audience,
    iss: issuerOf(tid),
    iat: now,
    nbf: now,
    exp: now + 3600,
    name,
    oid,
    tid,
    // It differs from app to app, and from tenant to tenant only where the user does.
    sub: 'pairwise-subject',
    ver: '2.0',
    ...describeGroups(groups, oid),
    ...(roles && { roles }),
  }
}

function describeGroups(groups: readonly string[], oid: string): Record<string, unknown> {
  if (groups.length <= GROUP_LIMIT) return groups.length > 0 ? { groups } : {}
  const endpoint = `https://graph.microsoft.com/v1.0/users/${oid}/getMemberObjects`
  return { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint } } }
}

/** Why a token is no assertion that this client may present: signed by somebody else, for another application, or too old. */
export async function findAssertionFault(
  assertion: string,
  clientId: string,
  keys: EntraKeys,
  now: number,
): Promise<EntraCode | undefined> {
  const published = createLocalJWKSet({ keys: keys.jwks().keys as JWK[] })
  const verified = await compactVerify(assertion, published).catch(() => undefined)
  if (!verified) return 50013
  const { aud, exp = 0 } = decodeJwt(assertion)
  if (aud !== clientId && aud !== `api://${clientId}`) return 500131
  return exp <= now ? 500133 : undefined
}

async function createKey() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = crypto.randomUUID()
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}
