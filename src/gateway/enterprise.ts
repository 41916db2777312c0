import type { EnterpriseIssuer } from '../authorization-server/assertions/enterprise-issuer.ts'
import { createIssuerKeySource } from '../authorization-server/assertions/issuer-keys.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { isLoopbackHost } from '../config/urls.ts'
import { createTrustedFetch } from '../http/trusted-fetch.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'

/** The identity providers whose assertions count, as configured. A part of the composition in `gateway.ts`. */
export function createEnterpriseIssuers(
  { enterprise }: Pick<GatewayConfig, 'enterprise'>,
  send: typeof fetch,
  logger: Logger,
  now: () => number,
  watchCache?: WatchCache,
): ReadonlyMap<string, EnterpriseIssuer> {
  const isPermitted = ({ protocol, hostname }: URL): boolean =>
    protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname))
  const fetchJson = createTrustedFetch(send, isPermitted)
  const keysOf = createIssuerKeySource(fetchJson, logger, now, watchCache)
  const issuers = enterprise?.issuers ?? []
  return new Map(
    issuers.map(({ issuer, jwksUri, clients }) => [
      issuer,
      { issuer, keys: keysOf({ issuer, jwksUri }), ...(clients && { clients }) },
    ]),
  )
}
