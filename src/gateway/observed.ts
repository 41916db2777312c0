import type { Audit } from '../observability/audit.ts'
import { type NoteLimited, tellSince } from '../observability/limit-notes.ts'
import type { GaugeSources, Metrics } from '../observability/metrics.ts'
import type { BackendMetrics } from '../observability/request-metrics.ts'
import { type Tracing, traceStep } from '../observability/trace.ts'
import type { BackendObserver, RefusedCall } from '../proxy/backend-observer.ts'
import type { FreshToken } from '../upstream/fresh-token.ts'
import type { Upstream } from '../upstream/provider.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import type { Serving } from './serving.ts'

const TOOL_NAME_AT_MOST = 128

/** Counts the requests to a backend, and puts on record what its policy refuses. A part of the composition in `gateway.ts`. */
export function observeBackend(
  metrics: BackendMetrics,
  audit: Audit,
  noteLimited: NoteLimited,
): BackendObserver {
  const forbade = ({ claims, correlationId, tool, reason }: RefusedCall): void => {
    const { grantId, clientId, subject, resource, scope } = claims
    const about = { correlationId, grantId, clientId, subject, resource, scope, reason }
    // A client writes it.
    const named = tool !== undefined && { tool: tool.slice(0, TOOL_NAME_AT_MOST) }
    audit({ event: 'policy', outcome: 'denied', ...about, ...named })
  }
  return {
    ...metrics,
    forbade,
    limited(refused) {
      const { claims, reason } = refused
      const since = noteLimited(JSON.stringify([claims.subject, claims.resource, reason]))
      if (since !== undefined) forbade({ ...refused, reason: tellSince(reason, since) })
    },
  }
}

/**
 * An upstream whose refreshes and exchanges are counted and measured. A part of the composition in `gateway.ts`.
 *
 * @param backends their names, by resource
 */
export function observeUpstream(
  upstream: Upstream,
  metrics: Metrics,
  backends: ReadonlyMap<string, string>,
  tracing?: Tracing,
): Upstream {
  const about = { 'mcp_gateway.upstream': upstream.name }
  return {
    ...upstream,
    async exchange(grant, credential, signal) {
      const startedAt = performance.now()
      const act = () => upstream.exchange(grant, credential, signal)
      const result = await traceStep(tracing, 'upstream exchange', about, act, exchangeLabel)
      const label = exchangeLabel(result)
      const backend = backends.get(grant.resource) ?? '_other'
      metrics.upstreamExchange(backend, label, (performance.now() - startedAt) / 1000)
      return result
    },
    async refresh(grant, signal, wanted) {
      const startedAt = performance.now()
      const act = () => upstream.refresh(grant, signal, wanted)
      const result = await traceStep(tracing, 'upstream refresh', about, act, refreshLabel)
      const label = refreshLabel(result)
      metrics.upstreamRefresh(label, (performance.now() - startedAt) / 1000)
      return result
    },
  }
}

function exchangeLabel(result: Awaited<ReturnType<Upstream['exchange']>>): string {
  return result.outcome === 'exchanged' ? 'exchanged' : result.failure.kind
}

function refreshLabel(result: Awaited<ReturnType<Upstream['refresh']>>): string {
  return result.outcome === 'refreshed' ? 'refreshed' : result.failure.kind
}

/** A token source whose look-ups are counted by where they found the token. */
export function observeTokens(tokens: UpstreamTokenSource, metrics: Metrics): UpstreamTokenSource {
  const noted = (token: FreshToken): FreshToken => {
    metrics.tokenLookUp(token.outcome === 'usable' ? token.path : token.outcome)
    return token
  }
  return {
    peek(grantId) {
      const token = tokens.peek(grantId)
      if (token) metrics.tokenLookUp(token.path)
      return token
    },
    resolve: async (grantId, correlationId) => noted(await tokens.resolve(grantId, correlationId)),
    resolveAfterRejection: async (...refused) =>
      noted(await tokens.resolveAfterRejection(...refused)),
    close: tokens.close,
  }
}

/** @param servings the current one first */
export function describeGauges(
  servings: () => readonly Pick<Serving, 'proxy' | 'caches'>[],
  isStoreReachable: () => Promise<boolean>,
): GaugeSources {
  const sum = (count: (serving: Pick<Serving, 'proxy'>) => number) =>
    servings().reduce((total, serving) => total + count(serving), 0)
  return {
    isStoreReachable,
    cacheSizes: () => addUp(servings().map(({ caches }) => caches.sizes())),
    eventStreams: () => sum(({ proxy }) => proxy.state().eventStreams),
    keptLists: () => ({
      entries: sum(({ proxy }) => proxy.state().lists.entries),
      bytes: sum(({ proxy }) => proxy.state().lists.bytes),
    }),
    requestsInFlight: () => sum(({ proxy }) => proxy.state().callsInFlight),
    instances: () =>
      (servings()[0]?.proxy.state().backends ?? []).map(({ name, instances }) => {
        const ejected = instances.filter(({ state }) => state === 'ejected').length
        return { backend: name, ejected, serving: instances.length - ejected }
      }),
  }
}

function addUp(sizes: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const [name, size] of sizes.flatMap(one => [...one])) {
    total.set(name, (total.get(name) ?? 0) + size)
  }
  return total
}
