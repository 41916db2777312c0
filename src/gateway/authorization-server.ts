import type { AuthorizationServer } from '../authorization-server/context.ts'
import { createAccessTokens } from '../authorization-server/tokens/access-token.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { deriveAssertionKeys } from '../domain/assertion-key.ts'
import type { KeyRing } from '../domain/key-ring.ts'
import { createGuardedFetch } from '../http/guarded-fetch.ts'
import type { Audit } from '../observability/audit.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Tracing } from '../observability/trace.ts'
import type { Store } from '../store/port.ts'
import type { UpstreamOf } from '../upstream/refresh-context.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import { describeResource } from './backends.ts'
import { createClientSources } from './clients.ts'
import { createEnterpriseIssuers } from './enterprise.ts'
import { describeEndpointLimits } from './rate-limits.ts'

type Surroundings = {
  logger: Logger
  metrics: Metrics
  audit: Audit
  tracing: Tracing | undefined
}

type ServerParts = {
  ring: KeyRing
  store: Store
  send: typeof fetch
  upstreamOf: UpstreamOf
  tokens: UpstreamTokenSource
  watchCache: WatchCache
}

/** What the endpoints work with. A part of the composition in `gateway.ts`. */
export function createAuthorizationServer(
  config: GatewayConfig,
  { ring, store, send, upstreamOf, tokens, watchCache }: ServerParts,
  { logger, metrics, audit, tracing }: Surroundings,
): AuthorizationServer {
  const { now } = store
  const { lifetimes, publicUrl } = config
  const asserts = config.backends.some(({ credential }) => credential.kind === 'assertion')
  const assertionKeys = deriveAssertionKeys(ring).map(({ publicJwk }) => publicJwk)
  return {
    issuer: publicUrl,
    resources: config.backends.map(backend => describeResource(publicUrl, backend)),
    store,
    ring,
    clients: createClientSources(config, createGuardedFetch(), logger, now, watchCache),
    enterpriseIssuers: createEnterpriseIssuers(config, send, logger, now, watchCache),
    accessTokens: createAccessTokens(ring, publicUrl, now),
    ...(asserts && { assertionKeys }),
    upstream: upstreamOf,
    tokens,
    lifetimes: {
      idleSeconds: lifetimes.grantIdleSeconds,
      absoluteSeconds: lifetimes.grantAbsoluteSeconds,
      accessTokenSeconds: lifetimes.accessTokenSeconds,
      authorizationCodeSeconds: lifetimes.authorizationCodeSeconds,
      loginSeconds: lifetimes.loginSeconds,
    },
    ...(tracing && { tracing }),
    limitEndpoint: describeEndpointLimits(config, { store, metrics, watchCache }),
    ...{ logger, audit, now },
  }
}
