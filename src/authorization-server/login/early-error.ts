import type { Context } from 'hono'
import type { Client } from '../../domain/client.ts'
import type { OAuthError, OAuthErrorCode } from '../../domain/oauth-error.ts'
import { isTrustedDestination } from '../../domain/redirect-policy.ts'
import type { ErrorKind } from '../../http/pages/error-kinds.ts'
import type { AuthorizationServer } from '../context.ts'
import { redirectToClient, renderAnswerUrl, renderFault } from '../responses.ts'

const KINDS: Partial<Record<OAuthErrorCode, ErrorKind>> = {
  consent_required: 'app-unasked',
  invalid_scope: 'app-scope',
  invalid_target: 'app-resource',
  unsupported_response_type: 'app-response-type',
}

/**
 * The answer to a request that fails before anybody has been asked. Whoever registers itself, or publishes a document, and sends a faulty request on purpose would
 * have this server lead people wherever it likes; so its user is told, and goes on only by a link. Its error is that of the standard either way.
 *
 * @param to verified: one of the client's redirect URIs
 * @see RFC 9700 section 4.11.2
 */
export function answerEarlyError(
  server: AuthorizationServer,
  c: Context,
  client: Client,
  to: { redirectUri: string; state: string | undefined },
  error: OAuthError,
): Response {
  const { redirectUri } = to
  if (isTrustedDestination(client, redirectUri, server.clients.trustedRedirectHosts))
    return redirectToClient(server, c, to, error)
  const { clientId, clientName } = client
  const { code, description, reason } = error
  return renderFault(server, c, KINDS[code] ?? 'app-request', {
    ...{ reason, clientId, clientName, redirectUri },
    problem: `${code}, ${description}`,
    returnUrl: renderAnswerUrl(server, to, error),
  })
}
