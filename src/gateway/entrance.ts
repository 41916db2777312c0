import type { Hono } from 'hono'
import type { AuthorizationServer } from '../authorization-server/context.ts'
import { createResourceServerApp } from '../authorization-server/resource-routes.ts'
import { createAuthorizationServerApp } from '../authorization-server/routes.ts'
import { createAccessTokens } from '../authorization-server/tokens/access-token.ts'
import { createGrantEnding } from '../authorization-server/tokens/grant-ending.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { deriveAssertionKeys } from '../domain/assertion-key.ts'
import type { KeyRing } from '../domain/key-ring.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import { type Admit, createAdmission } from '../proxy/admission.ts'
import { createExternalAdmission } from '../resource-server/admission.ts'
import { createExchangedTokens } from '../resource-server/exchanged-tokens.ts'
import { createPresentedTokens } from '../resource-server/presented-tokens.ts'
import type { Store } from '../store/port.ts'
import { createAssertionIssuer } from '../upstream/assertions.ts'
import type { UpstreamOptions } from '../upstream/options.ts'
import type { UpstreamOf } from '../upstream/refresh-context.ts'
import { createUpstreamTokenSource, type UpstreamTokenSource } from '../upstream/tokens.ts'
import {
  createExternalVerification,
  describeTokenResources,
  externalCredentialOf,
} from './external.ts'
import { createInjectionOf } from './upstreams.ts'

/** Whose tokens open the backends, and what the backends get for them. A part of the composition in `gateway.ts`. */
export type Entrance = {
  /** Issuer of the tokens. */
  authorizationServer: string
  admission: Admit
  tokens: UpstreamTokenSource
  /** What answers besides the MCP endpoints. */
  createApp(server: AuthorizationServer): Hono
}

export type EntranceParts = {
  ring: KeyRing
  store: Store
  upstreamOf: UpstreamOf
  upstreamOptions: readonly UpstreamOptions[]
  send: typeof fetch
  logger: Logger
  watchCache: WatchCache
}

export function createEntrance(config: GatewayConfig, parts: EntranceParts): Entrance {
  // It is there exactly with `auth: external`: `checkExternal`.
  const { authorizationServer } = config
  return authorizationServer
    ? createExternalEntrance({ ...config, authorizationServer }, parts)
    : createOwnEntrance(config, parts)
}

function createOwnEntrance(config: GatewayConfig, parts: EntranceParts): Entrance {
  const { publicUrl, lifetimes } = config
  const { ring, store, logger, upstreamOptions, upstreamOf, watchCache } = parts
  const { now, grants, invalidations } = store
  return {
    authorizationServer: publicUrl,
    admission: createAdmission({
      verifyAccessToken: createAccessTokens(ring, publicUrl, now).verify,
      ...{ now, watchCache },
    }),
    tokens: createUpstreamTokenSource({
      ...{ grants, invalidations, logger, now, watchCache, upstream: upstreamOf },
      injectionOf: createInjectionOf(config),
      assertions: createAssertions(publicUrl, parts),
      refreshTimeoutMs: longestTimeoutMs(upstreamOptions),
      lifetime: {
        idleSeconds: lifetimes.grantIdleSeconds,
        absoluteSeconds: lifetimes.grantAbsoluteSeconds,
      },
    }),
    createApp: server => createAuthorizationServerApp(server, createGrantEnding(server)),
  }
}

type ExternalConfig = GatewayConfig & Required<Pick<GatewayConfig, 'authorizationServer'>>

function createExternalEntrance(config: ExternalConfig, parts: EntranceParts): Entrance {
  const { logger, upstreamOf, upstreamOptions, store, watchCache } = parts
  const { now } = store
  const presented = createPresentedTokens(
    describeTokenResources(config),
    now,
    undefined,
    watchCache,
  )
  const verify = createExternalVerification(config, { ...parts, now })
  return {
    authorizationServer: config.authorizationServer.issuer,
    admission: createExternalAdmission(verify, presented),
    tokens: createExchangedTokens({
      ...{ logger, now, watchCache, upstream: upstreamOf },
      grantOf: presented.findGrant,
      credentialOf: externalCredentialOf(config),
      assertions: createAssertions(config.publicUrl, parts),
      timeoutMs: longestTimeoutMs(upstreamOptions),
    }),
    createApp: createResourceServerApp,
  }
}

function createAssertions(publicUrl: string, { ring, store, watchCache }: EntranceParts) {
  const [signingKey] = deriveAssertionKeys(ring)
  return createAssertionIssuer(signingKey, publicUrl, store.now, watchCache)
}

/** Of one request each; no upstream, no requests. */
function longestTimeoutMs(upstreams: readonly UpstreamOptions[]): number {
  return Math.max(0, ...upstreams.map(({ timeoutMs }) => timeoutMs))
}
