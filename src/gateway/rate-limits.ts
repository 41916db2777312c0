import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import {
  createEndpointLimits,
  type LimitEndpoint,
} from '../authorization-server/endpoint-limits.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Metrics } from '../observability/metrics.ts'
import { type CallLimits, createCallLimits } from '../proxy/call-limits.ts'
import { createCallerFinder } from '../proxy/caller.ts'
import { createHopReader } from '../proxy/forwarded.ts'
import type { Store } from '../store/port.ts'

type Surroundings = { store: Store; metrics: Metrics; watchCache: WatchCache }

/** How often strangers may come to the OAuth endpoints. A part of the composition in `gateway.ts`. */
export function describeEndpointLimits(
  { rateLimits, trustedProxies }: Pick<GatewayConfig, 'rateLimits' | 'trustedProxies'>,
  { store, metrics, watchCache }: Surroundings,
): LimitEndpoint {
  const findCaller = createCallerFinder(createHopReader(trustedProxies, watchCache))
  return createEndpointLimits({
    limits: rateLimits,
    rates: store.rates,
    callerOf: (c: Context) => {
      const incoming: IncomingMessage | undefined = c.env?.incoming
      return findCaller(incoming?.socket.remoteAddress, c.req.header('x-forwarded-for'))
    },
    onRefused: metrics.rateLimited,
    now: store.now,
    watchCache,
  })
}

/** How often those who have signed in may call; nothing where they may always. */
export function describeCallLimits(
  { rateLimits }: Pick<GatewayConfig, 'rateLimits'>,
  { store, metrics, watchCache }: Surroundings,
): CallLimits | undefined {
  return createCallLimits({
    limits: rateLimits.calls,
    rates: store.rates,
    onRefused: metrics.rateLimited,
    now: store.now,
    watchCache,
  })
}
