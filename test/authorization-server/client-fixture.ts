import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { onTestFinished } from 'vitest'
import type { AuthorizationServer } from '../../src/authorization-server/context.ts'
import { listen } from '../../src/dev/listen.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { createClientSources } from '../../src/gateway/clients.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import type { Store } from '../../src/store/port.ts'
import { MINIMAL, readTree } from '../config/support.ts'
import { createBrowserAgent, type Page } from '../support/browser-agent.ts'
import {
  DOCUMENT_HOST,
  type DocumentServer,
  startDocumentServer,
} from '../support/document-server.ts'
import { findFreePort } from '../support/free-port.ts'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'
import { challengeOf } from './sign-in.ts'
import { createGateway, type Gateway } from './support.ts'

export type Replica = {
  server: AuthorizationServer
  app: Gateway['app']
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
  log(): Record<string, unknown>[]
  /** Moves the clock of both replicas and their store. */
  advance(seconds: number): void
  /** Opens `/authorize` of the first replica in a new browser. */
  authorize(parameters: Record<string, string>): Promise<{ page: Page; approve(): Promise<Page> }>
  /** The whole way to a code; answers what `/token` needs to redeem it. */
  signIn(clientId: string, redirectUri: string): Promise<Record<string, string>>
}

type Sections = Record<string, unknown>

const VERIFIER = randomBytes(32).toString('base64url')

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
  const tree = typeof sections === 'function' ? sections(documents) : sections
  const config = readTree({ ...MINIMAL, ...tree })
  const { network } = documents
  const common = {
    issuer,
    idp,
    ring: createKeyRing([randomBytes(32)]),
    clients: (logger: Gateway['server']['logger'], now: () => number) =>
      createClientSources(config, createGuardedFetch({ network, timeoutMs: 2000 }), logger, now),
  }
  const first = createGateway(common)
  const second = createGateway({ ...common, store: () => first.store })
  const front = createServer(getRequestListener(first.app.fetch))
  const listening = await listen(front, port, '127.0.0.1')
  onTestFinished(() => Promise.all([listening.close(), idp.close(), documents.close()]).then())
  const authorize = createAuthorize(issuer, idp)
  return {
    issuer,
    resource: `${issuer}/crm/mcp`,
    store: first.store,
    idp,
    documents,
    replicas: [createReplica(first), createReplica(second)],
    log: () => [first, second].flatMap(linesOf),
    advance: seconds => {
      for (const { clock } of [first, second]) clock.advance(seconds)
    },
    authorize,
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

function createAuthorize(issuer: string, idp: OidcProvider): Fixture['authorize'] {
  const ours = new Set([issuer, new URL(idp.issuer).origin])
  return async parameters => {
    const agent = createBrowserAgent({ stopAt: url => !ours.has(url.origin) })
    const query = new URLSearchParams({
      response_type: 'code',
      code_challenge: challengeOf(VERIFIER),
      code_challenge_method: 'S256',
      resource: `${issuer}/crm/mcp`,
      ...parameters,
    })
    const page = await agent.open(`${issuer}/authorize?${query}`)
    return { page, approve: () => agent.submit(page, { button: 'approve' }) }
  }
}

function createReplica(gateway: Gateway): Replica {
  const { server, app } = gateway
  return {
    server,
    app,
    post: async (...request) => read(await gateway.post(...request)),
    postJson: async (path, body, headers) =>
      read(
        await gateway.request(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        }),
      ),
    metadata: async () =>
      (await read(await gateway.request('/.well-known/oauth-authorization-server'))).body,
  }
}

async function read(response: Response): Promise<Reply> {
  const text = await response.text()
  const { status, headers } = response
  return { status, headers, body: text === '' ? {} : JSON.parse(text) }
}

function linesOf(gateway: Gateway): Record<string, unknown>[] {
  const lines = gateway.log().split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line))
}

/** A secret, and what the configuration holds of it. */
export function createSecretPair(): { secret: string; secretHash: string } {
  const secret = createSecret()
  return { secret, secretHash: `sha256:${createHash('sha256').update(secret).digest('hex')}` }
}

export function basic(id: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}
