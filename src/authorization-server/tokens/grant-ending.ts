import type { Grant } from '../../domain/grant.ts'
import type { AuthorizationServer } from '../context.ts'

/** Ends grants, here and at the upstream. */
export type GrantEnding = {
  /** @returns whether there was such a grant */
  endGrant(grantId: string, why: EndReason): Promise<boolean>
  endSubject(issuer: string, subject: string, why: EndReason): Promise<number>
  endClient(clientId: string, why: EndReason): Promise<number>
}

export type EndReason = {
  reason: string
  correlationId: string
  /** What was used a second time, where that is why. */
  replayed?: 'authorization_code' | 'refresh_token'
}

/**
 * The store comes first and decides; the upstream's own refresh token is revoked after that, where the upstream can, and the answer does not wait for it.
 */
export function createGrantEnding({
  store,
  upstream,
  audit,
  logger,
}: Pick<AuthorizationServer, 'store' | 'upstream' | 'audit' | 'logger'>): GrantEnding {
  const afterwards = (grant: Grant, why: EndReason): void => {
    const { correlationId } = why
    const { grantId, clientId, clientName, resource, identity } = grant
    const { issuer, subject } = identity
    audit({
      event: 'revocation',
      outcome: 'granted',
      ...why,
      grantId,
      clientId,
      clientName,
      issuer,
      subject,
      resource,
    })
    upstream(grant.upstream)
      ?.revoke(grant.upstreamTokens)
      .catch(err =>
        logger.warn(
          { correlationId, grantId, err },
          'the upstream did not revoke its refresh token',
        ),
      )
  }
  const all = (grants: readonly Grant[], why: EndReason): number => {
    for (const grant of grants) afterwards(grant, why)
    return grants.length
  }
  return {
    endGrant: async (grantId, why) => {
      const grant = await store.grants.revoke(grantId)
      return all(grant ? [grant] : [], why) === 1
    },
    endSubject: async (issuer, subject, why) =>
      all(await store.grants.revokeSubject(issuer, subject), why),
    endClient: async (clientId, why) => all(await store.grants.revokeClient(clientId), why),
  }
}
