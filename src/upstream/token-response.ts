import type { TokenEndpointResponse } from 'openid-client'
import type { UpstreamTokens } from '../domain/grant.ts'
import { parseScope } from '../domain/scope.ts'

/** `expires_in` is only recommended. */
const UNSTATED_LIFE_SECONDS = 3600

/**
 * The tokens of one answer. What an answer leaves out stays as it was: no new refresh token means that the old one goes on.
 *
 * @param now epoch seconds
 * @param unstatedLifeSeconds the life of an access token where the answer does not say
 * @see RFC 6749 sections 5.1 and 6
 */
export function readTokens(
  response: TokenEndpointResponse,
  now: number,
  previous?: UpstreamTokens,
  unstatedLifeSeconds = UNSTATED_LIFE_SECONDS,
): UpstreamTokens {
  const refreshToken = response.refresh_token ?? previous?.refreshToken
  const refreshExpiresAt =
    readRefreshExpiry(response, now) ??
    (response.refresh_token ? undefined : previous?.refreshExpiresAt)
  const scope =
    (response.scope === undefined ? undefined : parseScope(response.scope)) ?? previous?.scope
  return {
    accessToken: response.access_token,
    issuedAt: now,
    expiresAt: now + (response.expires_in ?? unstatedLifeSeconds),
    ...(refreshToken !== undefined && { refreshToken }),
    ...(refreshExpiresAt !== undefined && { refreshExpiresAt }),
    ...(scope && { scope }),
  }
}

/** Not in any RFC, but widespread: Keycloak's `refresh_expires_in`, others' `refresh_token_expires_in`. Zero means: no end. */
function readRefreshExpiry(response: TokenEndpointResponse, now: number): number | undefined {
  const seconds = Number(response.refresh_expires_in ?? response.refresh_token_expires_in ?? 0)
  return Number.isFinite(seconds) && seconds > 0 ? now + seconds : undefined
}
