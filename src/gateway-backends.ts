import type { BackendConfig } from './config/schema.ts'
import { createScopeCatalogue } from './domain/scope-catalogue.ts'
import type { BackendOptions } from './proxy/backends.ts'
import { createPolicy } from './proxy/policy.ts'

/** What a configured backend is to the proxy. A part of the composition in `gateway.ts`. */
export function describeBackend(publicUrl: string, backend: BackendConfig): BackendOptions {
  const { name, path, instances, timeouts, tools } = backend
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
    connectTimeoutMs: timeouts.connectMs,
    headersTimeoutMs: timeouts.headersMs,
  }
}
