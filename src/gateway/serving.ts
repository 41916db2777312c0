import type { AuthorizationServer } from '../authorization-server/context.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { Caches } from '../observability/caches.ts'
import type { createProxy } from '../proxy/proxy.ts'
import type { Generation } from './generations.ts'

/** What one configuration comes to. */
export type Serving = Generation & {
  config: GatewayConfig
  /** Where an operator's subject may come from who names no issuer. */
  upstreamIssuers: readonly string[]
  server: AuthorizationServer
  proxy: ReturnType<typeof createProxy>
  caches: Caches
}
