import type {
  AuthorizationCode,
  AuthorizationRequest,
  PendingLogin,
} from '../../domain/authorization-request.ts'
import { type Grant, grantExpiresAt } from '../../domain/grant.ts'
import { createId, createSecret } from '../../domain/secret.ts'
import type { LoginResult } from '../../upstream/provider.ts'
import type { AuthorizationServer } from '../context.ts'

/** How long a grant outlives the code that nobody redeemed: long enough for a replay of the code to find it. */
const UNREDEEMED_SLACK_SECONDS = 60

/**
 * Opens the grant of a completed login and issues its authorization code. The grant exists before its code does, so whoever presents the code, first or again, finds
 * it; it ends soon unless the code is redeemed.
 *
 * @returns the code
 */
export async function openGrant(
  server: AuthorizationServer,
  { request, upstream, flowId, claims }: PendingLogin,
  { tokens, identity }: LoginResult & { outcome: 'completed' },
): Promise<string> {
  const { clientId, clientName, resource, scope } = request
  const now = server.now()
  const grantId = createId()
  const grant: Grant = {
    grantId,
    clientId,
    clientName,
    upstream,
    identity,
    resource,
    scope,
    openedAt: now,
    ...(claims !== undefined && { claims }),
    upstreamTokens: tokens,
    version: 0,
  }
  const { authorizationCodeSeconds, absoluteSeconds } = server.lifetimes
  const idleSeconds = authorizationCodeSeconds + UNREDEEMED_SLACK_SECONDS
  await server.store.grants.open(
    grant,
    grantExpiresAt(grant, { idleSeconds, absoluteSeconds }, now),
  )
  const code = createSecret()
  await server.store.authorizations.issueCode(
    code,
    describeCode(request, grantId, flowId),
    authorizationCodeSeconds,
  )
  recordLogin(server, grant, flowId)
  return code
}

function describeCode(
  request: AuthorizationRequest,
  grantId: string,
  flowId: string,
): AuthorizationCode {
  const { clientId, redirectUri, redirectUriImplied, codeChallenge, resource } = request
  return {
    flowId,
    grantId,
    clientId,
    redirectUri,
    ...(redirectUriImplied && { redirectUriImplied }),
    codeChallenge,
    resource,
  }
}

function recordLogin(
  { audit, logger }: AuthorizationServer,
  grant: Grant,
  correlationId: string,
): void {
  const { grantId, clientId, clientName, resource, identity, upstreamTokens } = grant
  const { issuer, subject } = identity
  const event = { correlationId, grantId, clientId, clientName, issuer, subject, resource }
  audit({ event: 'login', outcome: 'granted', ...event })
  if (upstreamTokens.refreshToken === undefined) {
    logger.warn(
      { correlationId, grantId },
      'the upstream gave no refresh token: this user will be asked again when the access token ends',
    )
  }
}
