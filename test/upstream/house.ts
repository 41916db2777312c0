import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import type { Grant, UpstreamTokens } from '../../src/domain/grant.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createId } from '../../src/domain/secret.ts'
import { createLogger } from '../../src/observability/log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/port.ts'
import { createAssertionIssuer } from '../../src/upstream/assertions.ts'
import type { BackendCredential } from '../../src/upstream/credential.ts'
import { STANDARD_PROVIDER, type UpstreamOptions } from '../../src/upstream/options.ts'
import { createUpstream } from '../../src/upstream/provider.ts'
import {
  createUpstreamTokenSource,
  type UpstreamTokenSource,
  type UpstreamTokenSourceOptions,
} from '../../src/upstream/tokens.ts'
import { createBrowserAgent } from '../support/browser-agent.ts'
import {
  type OidcProvider,
  type OidcProviderOptions,
  startOidcProvider,
} from '../support/oidc-provider.ts'
import { createRelyingParty } from '../support/openid-login.ts'

const CALLBACK_URL = 'http://127.0.0.1:33420/callback'
const LIFETIME = { idleSeconds: 3600, absoluteSeconds: 24 * 3600 }

export type LogLine = Record<string, unknown>

/** A clock that runs, and can be put forward. Epoch seconds. */
export type TestClock = { now: () => number; advance(seconds: number): void }

function createTestClock(): TestClock {
  let aheadSeconds = 0
  return {
    now: () => Date.now() / 1000 + aheadSeconds,
    advance: seconds => {
      aheadSeconds += seconds
    },
  }
}

/** A real IdP, a store, and as many token sources as there are replicas. */
export type House = {
  idp: OidcProvider
  store: Store
  clock: TestClock
  /** Everything that the sources have logged. */
  log: LogLine[]
  /** What verifies the assertions of all its sources. */
  assertionKeys: { keys: { kid: string; kty: string }[] }
  /** Another replica. */
  createSource(options?: SourceOptions): UpstreamTokenSource
  /** Signs somebody in at the IdP, and opens the grant as a login does. */
  openGrant(age?: Age, changes?: Partial<Grant>): Promise<Grant>
  /** What the IdP was asked to refresh since the house was built. */
  refreshes(): number
}

export type SourceOptions = Partial<UpstreamTokenSourceOptions> & {
  upstreamOptions?: Partial<UpstreamOptions>
}

/** How the access token of a grant stands: long from its end, inside the window before it, or past it. */
export type Age = 'fresh' | 'ahead' | 'stale'

const REMAINING_SECONDS: Record<Age, number> = { fresh: 500, ahead: 20, stale: 0 }
const LIFE_SECONDS = 600

export type HouseOptions = {
  idp?: Partial<OidcProviderOptions>
  store?: Store
  leaseSeconds?: number
  /** What the backend gets. */
  credential?: BackendCredential
}

/** Ends with the test. */
export async function createHouse(options: HouseOptions = {}): Promise<House> {
  const idp = await startOidcProvider({ redirectUris: [CALLBACK_URL], ...options.idp })
  onTestFinished(idp.close)
  const clock = createTestClock()
  const { leaseSeconds } = options
  const lifetimes = leaseSeconds === undefined ? {} : { leaseSeconds }
  const store = options.store ?? createMemoryStore({ now: clock.now, lifetimes })
  const log: LogLine[] = []
  const keys = deriveAssertionKeys(createKeyRing([randomBytes(32)]))
  const logger = createLogger('trace', { write: line => void log.push(JSON.parse(line)) })
  const party = await createRelyingParty(idp.issuer, {
    id: idp.clientId,
    secret: idp.clientSecret,
    redirectUri: CALLBACK_URL,
  })

  const signIn = async () => {
    const login = await party.begin(createBrowserAgent({ stopAt: CALLBACK_URL }))
    const response = await login.finish(login.page)
    return { refreshToken: response.refresh_token ?? '', subject: response.claims()?.sub ?? '' }
  }

  return {
    ...{ idp, store, clock, log },
    assertionKeys: { keys: keys.map(({ publicJwk }) => ({ ...publicJwk })) },
    createSource: ({ upstreamOptions, ...sourceOptions } = {}) => {
      const upstream = createUpstream(describe(idp, upstreamOptions), store.now)
      const source = createUpstreamTokenSource({
        grants: store.grants,
        invalidations: store.invalidations,
        upstream: name => (name === 'idp' ? upstream : undefined),
        logger,
        now: store.now,
        refreshTimeoutMs: 5000,
        lifetime: LIFETIME,
        injectionOf: () => ({
          upstream: 'idp',
          credential: options.credential ?? { kind: 'upstream' },
        }),
        assertions: createAssertionIssuer(keys[0], 'https://mcp.example.com', store.now),
        ...sourceOptions,
      })
      onTestFinished(source.close)
      return source
    },
    openGrant: async (age = 'stale', changes = {}) => {
      const { refreshToken, subject } = await signIn()
      const grant: Grant = {
        grantId: createId(),
        clientId: 'a-client',
        clientName: 'A client',
        upstream: 'idp',
        identity: { issuer: idp.issuer, subject },
        resource: 'https://mcp.example.com/crm/mcp',
        scope: ['mcp'],
        openedAt: store.now(),
        upstreamTokens: tokensOf(refreshToken, age, store.now()),
        version: 0,
        ...changes,
      }
      await store.grants.open(grant, store.now() + 3600)
      await store.grants.activate(
        grant.grantId,
        { generation: 0, kid: 'testkey1' },
        store.now() + 3600,
      )
      return grant
    },
    refreshes: () => idp.counts.refresh.requests,
  }
}

function tokensOf(refreshToken: string, age: Age, now: number): UpstreamTokens {
  const expiresAt = now + REMAINING_SECONDS[age]
  return {
    accessToken: `first-${createId()}`,
    issuedAt: expiresAt - LIFE_SECONDS,
    expiresAt,
    refreshToken,
  }
}

function describe(
  { issuer, clientId, clientSecret }: OidcProvider,
  options: Partial<UpstreamOptions> = {},
): UpstreamOptions {
  return {
    ...STANDARD_PROVIDER,
    name: 'idp',
    ...{ issuer, clientId, clientSecret },
    timeoutMs: 5000,
    callbackUrl: CALLBACK_URL,
    ...options,
  }
}
