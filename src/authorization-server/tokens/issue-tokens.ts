import type { Grant } from '../../domain/grant.ts'
import { mintRefreshToken } from '../../domain/refresh-token.ts'
import { renderScope, type Scope } from '../../domain/scope.ts'
import type { RefreshGeneration } from '../../store/port.ts'
import type { AuthorizationServer } from '../context.ts'

/** A token endpoint's answer. @see RFC 6749 section 5.1 */
export type IssuedTokens = {
  access_token: string
  token_type: 'Bearer'
  /** Seconds; true, so never beyond the grant. */
  expires_in: number
  /** Not for grants that rest on something the client can show again. */
  refresh_token?: string
  scope: string
}

type Server = Pick<AuthorizationServer, 'ring' | 'accessTokens' | 'lifetimes' | 'now'>

/**
 * An access token and the refresh token that goes with it.
 *
 * @param expiresAt when the grant ends, epoch seconds
 */
export async function issueTokens(
  server: Server,
  grant: Grant,
  refresh: RefreshGeneration,
  scope: Scope,
  expiresAt: number,
): Promise<IssuedTokens> {
  const { ring } = server
  // A key that left the ring within the grace window cannot repeat its successor; the current key makes one that is as good.
  const kid = ring.find('refresh-token', refresh.kid) ? refresh.kid : undefined
  return {
    ...(await issueAccessToken(server, grant, scope, expiresAt)),
    refresh_token: mintRefreshToken(ring, grant.grantId, refresh.generation, kid),
  }
}

/** @param expiresAt when the grant ends, epoch seconds */
export async function issueAccessToken(
  { accessTokens, lifetimes, now }: Omit<Server, 'ring'>,
  { grantId, clientId, resource, identity }: Grant,
  scope: Scope,
  expiresAt: number,
): Promise<IssuedTokens> {
  const issuedAt = Math.floor(now())
  const accessExpiresAt = Math.floor(Math.min(issuedAt + lifetimes.accessTokenSeconds, expiresAt))
  const claims = {
    grantId,
    clientId,
    resource,
    scope,
    subject: identity.subject,
    issuedAt,
    expiresAt: accessExpiresAt,
  }
  return {
    access_token: await accessTokens.mint(claims),
    token_type: 'Bearer',
    expires_in: accessExpiresAt - issuedAt,
    scope: renderScope(scope),
  }
}
