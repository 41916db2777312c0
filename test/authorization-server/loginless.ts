import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'
import { onTestFinished } from 'vitest'
import { listen } from '../../src/dev/listen.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createClientSources } from '../../src/gateway/clients.ts'
import { createEnterpriseIssuers } from '../../src/gateway/enterprise.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import { LOGINLESS, MINIMAL, readTree } from '../config/support.ts'
import { findFreePort } from '../support/free-port.ts'
import { createGateway, type Gateway, type GatewayOptions, ISSUER } from './support.ts'

/** Backends that need nobody to have signed in, unless a test says otherwise. */
const PATHS = ['/crm/mcp', '/wiki/mcp']

export type Replicas = readonly [Gateway, Gateway]

/** Two replicas of a real authorization server on one store, with these sections of the configuration. */
export function startReplicas(
  sections: Record<string, unknown>,
  options: GatewayOptions = {},
): Replicas {
  const config = readTree({ ...MINIMAL, ...LOGINLESS, ...sections })
  const common: GatewayOptions = {
    paths: ['/crm/mcp'],
    loginless: PATHS,
    ring: createKeyRing([randomBytes(32)]),
    clients: (logger, now) => createClientSources(config, createGuardedFetch(), logger, now),
    enterpriseIssuers: (logger, now) => createEnterpriseIssuers(config, fetch, logger, now),
    ...options,
  }
  const first = createGateway(common)
  const second = createGateway({ ...common, store: () => first.store })
  return [first, second]
}

/** Moves the clock of both replicas and their store. */
export function advance(replicas: Replicas, seconds: number): void {
  for (const { clock } of replicas) clock.advance(seconds)
}

export type Signer = { alg: string; privateKey: CryptoKey; jwk: JWK }

export async function createSigner(alg = 'ES256', kid: string = randomUUID()): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}

/** An identity provider as far as its assertions go: its metadata and its keys, over HTTP. */
export type EnterpriseIdp = {
  issuer: string
  signer: Signer
  /** Paths that were asked for. */
  seen: string[]
  /** What it answers at a path; a number is a status. */
  publish(path: string, answer: unknown): void
}

/** Closed when the test is over. */
export async function startEnterpriseIdp(): Promise<EnterpriseIdp> {
  const idp = await openEnterpriseIdp()
  onTestFinished(idp.close)
  return idp
}

/** For whoever closes it. */
export async function openEnterpriseIdp(): Promise<EnterpriseIdp & { close(): Promise<void> }> {
  const port = await findFreePort()
  const issuer = `http://127.0.0.1:${port}`
  const signer = await createSigner()
  const seen: string[] = []
  const answers = new Map<string, unknown>([
    ['/.well-known/openid-configuration', { issuer, jwks_uri: `${issuer}/keys` }],
    ['/keys', { keys: [signer.jwk] }],
  ])
  const server = createServer((req, res) => {
    const path = req.url ?? ''
    seen.push(path)
    const answer = answers.get(path) ?? 404
    res.statusCode = typeof answer === 'number' ? answer : 200
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(answer))
  })
  const listening = await listen(server, port, '127.0.0.1')
  const publish = (path: string, answer: unknown) => void answers.set(path, answer)
  return { issuer, signer, seen, publish, close: listening.close }
}

export type Claims = Record<string, unknown>

/** An ID-JAG as identity providers make it, but for what is said otherwise; `undefined` leaves a claim out. */
export function assertIdentity(
  { issuer, signer }: Pick<EnterpriseIdp, 'issuer' | 'signer'>,
  now: number,
  claims: Claims = {},
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return new SignJWT({
    iss: issuer,
    sub: 'U019488227',
    email: 'ada@example.com',
    aud: ISSUER,
    client_id: 'assistant',
    resource: `${ISSUER}/crm/mcp`,
    scope: 'crm.read',
    jti: randomUUID(),
    iat: now,
    exp: now + 300,
    ...claims,
  })
    .setProtectedHeader({
      alg: signer.alg,
      typ: 'oauth-id-jag+jwt',
      ...(signer.jwk.kid && { kid: signer.jwk.kid }),
      ...header,
    })
    .sign(signer.privateKey)
}

export async function read(answer: Promise<Response>) {
  const response = await answer
  const body: Record<string, unknown> = { ...Object(await response.json()) }
  return { status: response.status, headers: response.headers, body }
}

/** The audit events of both replicas. */
export function auditOf(replicas: Replicas): Record<string, unknown>[] {
  return replicas.flatMap(replica =>
    replica
      .log()
      .split('\n')
      .slice(0, -1)
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ audit }) => audit === true),
  )
}
