import type { AccessRule } from '../domain/access-rule.ts'
import type { AccessTokenClaims, VerifyAccessToken } from '../domain/access-token.ts'
import type { PublicJwk } from '../domain/assertion-key.ts'
import type { GrantLifetime } from '../domain/grant.ts'
import type { KeyRing } from '../domain/key-ring.ts'
import type { ScopeCatalogue } from '../domain/scope-catalogue.ts'
import type { Audit } from '../observability/audit.ts'
import type { Logger } from '../observability/log.ts'
import type { Tracing } from '../observability/trace.ts'
import type { Store } from '../store/port.ts'
import type { Upstream } from '../upstream/provider.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import type { EnterpriseIssuer } from './assertions/enterprise-issuer.ts'
import type { ClientSources } from './clients/client-sources.ts'
import type { LimitEndpoint } from './endpoint-limits.ts'

/** One MCP endpoint as the authorization server sees it. */
export type ProtectedResource = {
  resource: string
  name: string
  scopes: ScopeCatalogue
  upstream: string
  /** Whether its backend gets something that only the upstream can give, so that somebody must have signed in there. */
  needsLogin: boolean
  /** Who may use it; everybody whom the upstream signs in, where there is none. */
  allow?: AccessRule
}

export type Lifetimes = GrantLifetime & {
  accessTokenSeconds: number
  authorizationCodeSeconds: number
  loginSeconds: number
}

export type AccessTokens = {
  mint(claims: Omit<AccessTokenClaims, 'tokenId'>): Promise<string>
  verify: VerifyAccessToken
}

/** What the endpoints of the authorization server work with. */
export type AuthorizationServer = {
  /** `publicUrl`: an origin without a trailing slash. */
  issuer: string
  resources: readonly ProtectedResource[]
  store: Store
  ring: KeyRing
  clients: ClientSources
  /** Identity providers whose word is enough, by issuer. */
  enterpriseIssuers: ReadonlyMap<string, EnterpriseIssuer>
  accessTokens: AccessTokens
  upstream: (name: string) => Upstream | undefined
  tokens: UpstreamTokenSource
  /** Public keys of the assertions that backends get; nothing where none gets any. */
  assertionKeys?: readonly PublicJwk[]
  lifetimes: Lifetimes
  /** How often somebody may come; as often as they like, where there is none. */
  limitEndpoint?: LimitEndpoint
  tracing?: Tracing
  logger: Logger
  audit: Audit
  /** Epoch seconds. */
  now: () => number
}
