import type { BackendConfig, GatewayConfig } from '../config/schema.ts'
import { nameOfUpstream, upstreamsOf } from '../config/upstreams.ts'
import { claimsOf } from '../domain/access-rule.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Tracing } from '../observability/trace.ts'
import type { InjectionOf } from '../upstream/injection.ts'
import { STANDARD_PROVIDER, type UpstreamOptions } from '../upstream/options.ts'
import { createUpstream } from '../upstream/provider.ts'
import type { UpstreamOf } from '../upstream/refresh-context.ts'
import { callbackUrlOf, resolveUpstreamOptions } from '../upstream/resolve.ts'
import { observeUpstream } from './observed.ts'

/** Where the embedded IdP listens, and what the gateway is to it. */
export type DevUpstream = { issuer: string; clientId: string; clientSecret: string }

/**
 * What the configured upstreams are to the upstream room. A part of the composition in `gateway.ts`.
 *
 * @param dev the embedded IdP, if that is an upstream
 */
export function resolveUpstreams(config: GatewayConfig, dev?: DevUpstream): UpstreamOptions[] {
  const callbackUrl = callbackUrlOf(config)
  return upstreamsOf(config).map(([name, upstream]) => {
    const options =
      upstream.provider === 'dev'
        ? describeDev(name, callbackUrl, dev)
        : resolveUpstreamOptions(upstream, name, callbackUrl)
    return { ...options, keptClaims: keptClaimsOf(config.backends, name) }
  })
}

/** Where Entra ID's shared issuers have what those in its tokens have the tenant for. */
const SHARED_BY_TENANTS = /\/(organizations|common)\//

/** Under which issuers the upstreams' users are known. */
export function issuersOfUsers(upstreamOptions: readonly UpstreamOptions[]): string[] {
  return upstreamOptions.flatMap(({ issuer, tenancy }) =>
    tenancy && SHARED_BY_TENANTS.test(issuer)
      ? tenancy.allowed.map(tenant => issuer.replace(SHARED_BY_TENANTS, `/${tenant}/`))
      : [issuer],
  )
}

type UpstreamMeans = { metrics: Metrics; send: typeof fetch; tracing: Tracing | undefined }

/** The upstreams, with what they are asked counted, and traced where that is wanted. */
export function createUpstreams(
  { publicUrl, backends }: GatewayConfig,
  upstreamOptions: readonly UpstreamOptions[],
  now: () => number,
  { metrics, send, tracing }: UpstreamMeans,
): UpstreamOf {
  const names = new Map(backends.map(({ path, name }) => [publicUrl + path, name]))
  const upstreams = new Map(
    upstreamOptions.map(options => [
      options.name,
      observeUpstream(createUpstream(options, now, send), metrics, names, tracing),
    ]),
  )
  return name => upstreams.get(name)
}

/** Which upstream a backend's grants are of, and what it gets from them. */
export function createInjectionOf({ publicUrl, backends }: GatewayConfig): InjectionOf {
  const injections = new Map(
    backends.map(backend => [
      publicUrl + backend.path,
      { upstream: nameOfUpstream(backend), credential: backend.credential },
    ]),
  )
  return resource => injections.get(resource)
}

function keptClaimsOf(backends: readonly BackendConfig[], upstream: string): string[] {
  const rules = backends
    .filter(backend => nameOfUpstream(backend) === upstream)
    .flatMap(({ allow }) => allow ?? [])
  return [...new Set(rules.flatMap(claimsOf))]
}

function describeDev(
  name: string,
  callbackUrl: string,
  dev: DevUpstream | undefined,
): UpstreamOptions {
  if (!dev) throw new RangeError('the development IdP has not been started')
  const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access']
  return { ...STANDARD_PROVIDER, ...dev, name, callbackUrl, scopes }
}
