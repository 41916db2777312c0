import type { ProtectedResource } from '../authorization-server/context.ts'
import type { BackendConfig, GatewayConfig } from '../config/schema.ts'
import { nameOfUpstream } from '../config/upstreams.ts'
import { createScopeCatalogue } from '../domain/scope-catalogue.ts'
import type { BackendOptions } from '../proxy/backends.ts'
import { createPolicy } from '../proxy/policy.ts'
import { isLocal } from '../upstream/credential.ts'

/** What a configured backend is to the proxy. A part of the composition in `gateway.ts`. */
export function describeBackend(
  { publicUrl, limits }: Pick<GatewayConfig, 'publicUrl' | 'limits'>,
  backend: BackendConfig,
): BackendOptions {
  const { name, path, instances, timeouts, probe, connections, tools, cache } = backend
  const catalogue = createScopeCatalogue(backend.scopes, backend.required)
  const demands = Object.entries(tools).map(([pattern, { scopes, hidden }]) => ({
    pattern,
    scopes,
    isHidden: hidden,
  }))
  return {
    name,
    path,
    instances,
    resource: publicUrl + path,
    scopes: catalogue.defaults,
    policy: createPolicy(catalogue, demands),
    allow: backend.allow,
    keepsLists: cache.lists,
    timeouts,
    probe: probe.kind === 'none' ? undefined : { ...probe, kind: probe.kind },
    room: {
      calls: connections.calls ?? limits.inFlight,
      streams: connections.streams ?? limits.streams,
    },
  }
}

/** What it is to the authorization server. */
export function describeResource(publicUrl: string, backend: BackendConfig): ProtectedResource {
  const { name, path, scopes, required, allow, credential } = backend
  return {
    name,
    scopes: createScopeCatalogue(scopes, required),
    resource: publicUrl + path,
    upstream: nameOfUpstream(backend),
    needsLogin: !isLocal(credential),
    ...(allow && { allow }),
  }
}
