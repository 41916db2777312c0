import { createHmac } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'
import { createId } from '../../src/domain/secret.ts'
import {
  startVendorServer,
  type VendorAnswer,
  type VendorRequest,
  type VendorServer,
} from './upstreams/vendor-server.ts'

export type Claims = Record<string, unknown>

/** A small authorization server without people: it publishes keys, introspects, exchanges, and signs whatever a test wants it to. */
export type ExternalIssuer = VendorServer & {
  issuer: string
  /** Good claims for this audience, with others laid over them; `undefined` takes one out. */
  claims(audience: string | string[], changes?: Claims): Claims
  /** A JWT. @param header laid over the usual one; `undefined` takes a member out */
  sign(claims: Claims, header?: Claims): Promise<string>
  /** HS256 with the public key as the secret: what a verifier takes that asks the token how to verify it. */
  forge(claims: Claims): string
  /** An opaque token that introspection knows. */
  issue(claims: Claims): string
  revoke(token: string): void
  /** Signs with a new key from now on, and publishes no other. */
  rotate(): Promise<void>
  /** What tokens are exchanged for, in turn. */
  exchanged: string[]
  /** How the next exchanges are answered instead. */
  refuseExchange(answer: VendorAnswer | undefined): void
  /** Life of an exchanged token. */
  exchangeLife(seconds: number): void
}

export const GATEWAY_CLIENT = { clientId: 'gateway', clientSecret: 'a secret: with % and +' }

/** Ends with the test. @param now epoch seconds */
export async function startExternalIssuer(
  now: () => number = () => Date.now() / 1000,
): Promise<ExternalIssuer> {
  let key = await createKey()
  const opaque = new Map<string, Claims>()
  const exchanged: string[] = []
  let refusal: VendorAnswer | undefined
  let life = 300

  const introspect = ({ form }: VendorRequest): VendorAnswer => {
    const claims = opaque.get(form.token ?? '')
    return { json: claims ? { active: true, ...claims } : { active: false } }
  }
  const exchange = (): VendorAnswer => {
    if (refusal) return refusal
    const token = `exchanged-${createId()}`
    exchanged.push(token)
    return { json: { access_token: token, token_type: 'Bearer', expires_in: life } }
  }
  const server = await startVendorServer([], (request, origin) => {
    if (request.path.endsWith('/introspection')) return introspect(request)
    if (request.path === '/token') return exchange()
    if (request.path === '/jwks') return { json: { keys: [key.jwk] } }
    if (request.path === '/.well-known/openid-configuration') return { json: describe(origin) }
    return { status: 404, json: {} }
  })
  onTestFinished(server.close)
  const issuer = server.origin
  return {
    ...server,
    issuer,
    exchanged,
    claims: (audience, changes = {}) => ({
      ...{ iss: issuer, aud: audience, sub: 'alice', client_id: 'a-client', jti: createId() },
      ...{ scope: 'crm.read', iat: Math.floor(now()), exp: Math.floor(now()) + 600 },
      ...changes,
    }),
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader(
          JSON.parse(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: key.kid, ...header })),
        )
        .sign(key.privateKey),
    forge: claims => {
      const head = { alg: 'HS256', typ: 'at+jwt', kid: key.kid }
      const text = [head, claims].map(encode).join('.')
      const mac = createHmac('sha256', JSON.stringify(key.jwk)).update(text)
      return `${text}.${mac.digest('base64url')}`
    },
    issue: claims => {
      const token = `opaque-${createId()}`
      opaque.set(token, claims)
      return token
    },
    revoke: token => void opaque.delete(token),
    rotate: async () => {
      key = await createKey()
    },
    refuseExchange: answer => {
      refusal = answer
    },
    exchangeLife: seconds => {
      life = seconds
    },
  }
}

/** A token without a signature. */
export function unsecured(claims: Claims): string {
  return `${[{ alg: 'none', typ: 'at+jwt' }, claims].map(encode).join('.')}.`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

async function createKey() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = createId()
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}

function describe(origin: string): Claims {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/auth`,
    token_endpoint: `${origin}/token`,
    jwks_uri: `${origin}/jwks`,
    introspection_endpoint: `${origin}/introspection`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
