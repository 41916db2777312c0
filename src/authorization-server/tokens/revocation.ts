import type { Context } from 'hono'
import { verifyRefreshToken } from '../../domain/refresh-token.ts'
import { authenticateClient } from '../clients/client-authentication.ts'
import type { AuthorizationServer } from '../context.ts'
import { correlationIdOf } from '../correlation.ts'
import { readForm, requireParameter } from '../parameters.ts'
import type { GrantEnding } from './grant-ending.ts'

/**
 * The revocation endpoint. Either token of a grant ends the whole grant. A token that is unknown, or another client's, is answered like one that was revoked.
 *
 * @see RFC 7009 section 2
 */
export function createRevocationEndpoint(server: AuthorizationServer, ending: GrantEnding) {
  return async function revoke(c: Context): Promise<Response> {
    const parameters = await readForm(c)
    const client = await authenticateClient(server, c, parameters)
    const token = requireParameter(parameters, 'token')
    const grantId =
      verifyRefreshToken(server.ring, token)?.grantId ??
      (await server.accessTokens.verify(token))?.grantId
    const grant = grantId === undefined ? undefined : await server.store.grants.find(grantId)
    if (grant?.clientId === client.clientId) {
      await ending.endGrant(grant.grantId, {
        reason: 'revoked by its client',
        correlationId: correlationIdOf(c),
      })
    }
    c.header('Cache-Control', 'no-store')
    return c.body(null, 200)
  }
}
