import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { onTestFinished } from 'vitest'
import { createAccessTokens } from '../../src/authorization-server/access-token.ts'
import type { AuthorizationServer } from '../../src/authorization-server/context.ts'
import { createGrantEnding } from '../../src/authorization-server/grant-ending.ts'
import { createAuthorizationServerApp } from '../../src/authorization-server/routes.ts'
import { listen } from '../../src/dev/listen.ts'
import { createKeyRing, type KeyRing } from '../../src/domain/key-ring.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { resolveUpstream } from '../../src/gateway.ts'
import { createClientSources } from '../../src/gateway-clients.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import { createAudit } from '../../src/observability/audit.ts'
import { createLogger } from '../../src/observability/log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/port.ts'
import { createUpstream } from '../../src/upstream/provider.ts'
import { createUpstreamTokenSource } from '../../src/upstream/tokens.ts'
import { LOCAL, readTree } from '../config/support.ts'
import { createBrowserAgent, type Page } from '../support/browser-agent.ts'
import {
  DOCUMENT_HOST,
  type DocumentServer,
  startDocumentServer,
} from '../support/document-server.ts'
import { findFreePort } from '../support/free-port.ts'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'

export type Replica = {
  app: Hono
  server: AuthorizationServer
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Reply>
  postJson(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>
  metadata(): Promise<Record<string, unknown>>
}

export type Reply = { status: number; headers: Headers; body: Record<string, unknown> }

export type Fixture = {
  issuer: string
  resource: string
  store: Store
  idp: OidcProvider
  documents: DocumentServer
  replicas: readonly [Replica, Replica]
  /** Log lines of both. */
  log: Record<string, unknown>[]
  /** Moves both replicas' clocks and the store's. */
  advance(seconds: number): void
  /** Opens `/authorize` of the first replica in a new browser. */
  authorize(parameters: Record<string, string>): Promise<{ page: Page; approve(): Promise<Page> }>
  /** The whole way to a code; answers what `/token` needs to redeem it. */
  signIn(clientId: string, redirectUri: string): Promise<Record<string, string>>
}

const VERIFIER = randomBytes(32).toString('base64url')
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

/**
 * Two replicas of a real authorization server on one store, with a real IdP and a real https server of documents.
 *
 * @param sections of the configuration: `registration`, `clientDocuments`, `clients`
 */
export async function startFixture(
  sections: Sections | ((documents: DocumentServer) => Sections) = {},
  hosts: readonly string[] = [DOCUMENT_HOST],
): Promise<Fixture> {
  const port = await findFreePort()
  const issuer = `http://127.0.0.1:${port}`
  const [idp, documents] = await Promise.all([
    startOidcProvider({ redirectUris: [`${issuer}/callback`] }),
    startDocumentServer(hosts),
  ])
  let offset = 0
  const now = (): number => Date.now() / 1000 + offset
  const store = createMemoryStore({ now })
  const ring = createKeyRing([randomBytes(32)])
  const log: Fixture['log'] = []
  const settings = {
    issuer,
    sections: typeof sections === 'function' ? sections(documents) : sections,
    idp,
    documents,
    store,
    ring,
    log,
    now,
  }
  const replicas = [createReplica(settings), createReplica(settings)] as const
  const listening = await listen(
    createServer(getRequestListener(replicas[0].app.fetch)),
    port,
    '127.0.0.1',
  )
  onTestFinished(async () => {
    for (const { server } of replicas) server.tokens.close()
    await Promise.all([listening.close(), idp.close(), documents.close()])
  })
  const resource = `${issuer}/crm/mcp`
  const authorize: Fixture['authorize'] = async parameters => {
    const agent = createBrowserAgent({
      stopAt: url => url.origin !== issuer && url.origin !== new URL(idp.issuer).origin,
    })
    const query = new URLSearchParams({
      response_type: 'code',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      resource,
      ...parameters,
    })
    const page = await agent.open(`${issuer}/authorize?${query}`)
    return { page, approve: () => agent.submit(page, { button: 'approve' }) }
  }
  return {
    issuer,
    resource,
    store,
    idp,
    documents,
    replicas,
    log,
    authorize,
    advance: seconds => {
      offset += seconds
    },
    signIn: async (clientId, redirectUri) => {
      const asked = await authorize({ client_id: clientId, redirect_uri: redirectUri })
      const { url } = asked.page.isStop ? asked.page : await asked.approve()
      const code = new URL(url).searchParams.get('code')
      if (code === null) throw new Error(`no code at ${url}`)
      return {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: VERIFIER,
      }
    },
  }
}

type Sections = Record<string, unknown>

type Settings = Pick<Fixture, 'issuer' | 'idp' | 'documents' | 'store' | 'log'> & {
  sections: Sections
  ring: KeyRing
  now: () => number
}

function createReplica(settings: Settings): Replica {
  const server = createServerContext(settings)
  const app = createAuthorizationServerApp(server, createGrantEnding(server))
  const request = async (path: string, init: RequestInit): Promise<Reply> => {
    const response = await app.request(settings.issuer + path, init)
    const text = await response.text()
    const { status, headers } = response
    return { status, headers, body: text === '' ? {} : JSON.parse(text) }
  }
  return {
    app,
    server,
    post: (path, form, headers) =>
      request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(form).toString(),
      }),
    postJson: (path, body, headers) =>
      request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    metadata: async () => {
      const { body } = await request('/.well-known/oauth-authorization-server', {})
      return body
    },
  }
}

function createServerContext(settings: Settings): AuthorizationServer {
  const { issuer, sections, idp, documents, store, ring, log, now } = settings
  const config = readTree({ ...LOCAL, publicUrl: issuer, ...sections })
  const logger = createLogger(
    'debug',
    new Writable({
      write: (line, _, done) => {
        log.push(JSON.parse(String(line)))
        done()
      },
    }),
  )
  const upstream = createUpstream(resolveUpstream(config, idp), now)
  const upstreamOf = () => upstream
  const { grants, invalidations } = store
  const { lifetimes } = config
  return {
    issuer,
    resources: config.backends.map(({ name, path, scopes }) => ({
      name,
      scopes,
      resource: issuer + path,
      upstream: upstream.name,
    })),
    store,
    ring,
    clients: createClientSources(
      config,
      createGuardedFetch({ network: documents.network, timeoutMs: 2000 }),
      logger,
      now,
    ),
    accessTokens: createAccessTokens(ring, issuer, now),
    upstream: upstreamOf,
    tokens: createUpstreamTokenSource({
      grants,
      invalidations,
      upstream: upstreamOf,
      logger,
      now,
      refreshTimeoutMs: 5000,
    }),
    lifetimes: {
      idleSeconds: lifetimes.grantIdleSeconds,
      absoluteSeconds: lifetimes.grantAbsoluteSeconds,
      accessTokenSeconds: lifetimes.accessTokenSeconds,
      authorizationCodeSeconds: lifetimes.authorizationCodeSeconds,
      loginSeconds: lifetimes.loginSeconds,
    },
    logger,
    audit: createAudit(logger),
    now,
  }
}

/** A secret, and what the configuration holds of it. */
export function createSecretPair(): { secret: string; secretHash: string } {
  const secret = createSecret()
  return { secret, secretHash: `sha256:${createHash('sha256').update(secret).digest('hex')}` }
}

export function basic(id: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}
