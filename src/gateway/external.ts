import { createIssuerKeySource } from '../authorization-server/assertions/issuer-keys.ts'
import { createIssuerMetadataSource } from '../authorization-server/assertions/issuer-metadata.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { nameOfUpstream } from '../config/upstreams.ts'
import { isLoopbackHost } from '../config/urls.ts'
import { claimsOf } from '../domain/access-rule.ts'
import { OAuthError } from '../domain/oauth-error.ts'
import { createTrustedFetch } from '../http/trusted-fetch.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { TokenRules } from '../resource-server/access-token.ts'
import type { ExternalCredential } from '../resource-server/exchanged-tokens.ts'
import { createIntrospection } from '../resource-server/introspection.ts'
import type { TokenResource } from '../resource-server/presented-tokens.ts'
import { createSignedTokens } from '../resource-server/signed-token.ts'
import type { VerifyPresented } from '../resource-server/verification.ts'
import { isLocal } from '../upstream/credential.ts'

/** The parts of `auth: external`, as configured. Parts of the composition in `gateway.ts`. */

type ExternalConfig = GatewayConfig & Required<Pick<GatewayConfig, 'authorizationServer'>>

type Means = {
  send: typeof fetch
  logger: Logger
  now: () => number
  watchCache?: WatchCache
}

const INTROSPECTION_TIMEOUT_MS = 5000

/** How the tokens of the authorization server are verified: by its keys, or by asking it. */
export function createExternalVerification(
  config: ExternalConfig,
  { watchCache, ...means }: Means,
): VerifyPresented {
  const { send, logger, now } = means
  const { issuer, jwksUri, introspection } = config.authorizationServer
  const rules = describeRules(config)
  const fetchJson = createTrustedFetch(send, isPermitted)
  const findMetadata = createIssuerMetadataSource(fetchJson, logger, now, watchCache)
  if (!introspection) {
    const keysOf = createIssuerKeySource(fetchJson, logger, now, watchCache, findMetadata)
    return createSignedTokens(keysOf({ issuer, jwksUri }), rules, now)
  }
  const { endpoint } = introspection
  const locate = async () =>
    endpoint ?? usableEndpoint((await findMetadata(issuer)).introspectionEndpoint)
  const timeoutMs = INTROSPECTION_TIMEOUT_MS
  return createIntrospection({
    ...{ ...introspection, ...means, locate, rules, timeoutMs },
    ...(watchCache && { watchCache }),
  })
}

export function describeTokenResources({ publicUrl, backends }: GatewayConfig): TokenResource[] {
  return backends.map(backend => {
    const { name, path, audience, scopes, credential } = backend
    const resource = publicUrl + path
    return {
      ...{ name, resource, audience: audience ?? resource },
      scopes: scopes.map(scope => scope.name),
      upstream: isLocal(credential) ? undefined : nameOfUpstream(backend),
    }
  })
}

/** @throws RangeError where the configuration would pass a token on, which it does not let through */
export function externalCredentialOf({
  publicUrl,
  backends,
}: GatewayConfig): (resource: string) => ExternalCredential | undefined {
  const credentials = new Map(
    backends.map(({ path, credential }): [string, ExternalCredential] => {
      if (credential.kind === 'upstream' || credential.kind === 'refresh') {
        throw new RangeError(`credential ${credential.kind} cannot be had with auth: external`)
      }
      return [publicUrl + path, credential]
    }),
  )
  return resource => credentials.get(resource)
}

function describeRules({ authorizationServer, backends }: ExternalConfig): TokenRules {
  const { issuer, claims } = authorizationServer
  const kept = backends.flatMap(({ allow }) => (allow ? claimsOf(allow) : []))
  return { issuer, names: { ...claims, subject: [claims.subject] }, kept: [...new Set(kept)] }
}

/** Our secret goes there. */
function usableEndpoint(endpoint: string | undefined): string {
  const url = endpoint === undefined ? null : URL.parse(endpoint)
  if (endpoint !== undefined && url && isPermitted(url)) return endpoint
  const reason = 'its metadata has no usable introspection_endpoint'
  throw new OAuthError('temporarily_unavailable', reason)
}

function isPermitted({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname))
}
