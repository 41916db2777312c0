import type { Grant } from '../../domain/grant.ts'
import type { AuditEvent } from '../../observability/audit.ts'
import type { Revocations, UnopenedGrant } from '../../store/port.ts'
import type { AuthorizationServer } from '../context.ts'

/** Ends grants, here and at the upstream. */
export type GrantEnding = {
  /** @returns whether there was such a grant */
  endGrant(grantId: string, why: EndReason): Promise<boolean>
  endEach(grantIds: readonly string[], why: EndReason): Promise<EndTally>
  endSubject(issuer: string, subject: string, why: EndReason): Promise<EndTally>
  endClient(clientId: string, why: EndReason): Promise<EndTally>
}

export type EndReason = {
  reason: string
  correlationId: string
  /** What was used a second time, where that is why. */
  replayed?: 'authorization_code' | 'refresh_token'
}

/** What came of ending several grants. */
export type EndTally = {
  revoked: number
  /** Those among them whose records do not open: nothing could be revoked at the upstream. */
  unopened: number
  /** Those of which the store did not say whether they have ended. */
  failed: number
}

type Surroundings = Pick<AuthorizationServer, 'store' | 'upstream' | 'audit' | 'logger'>

/** Whose grant it is, where it does not open to say that itself. */
type About = Pick<AuditEvent, 'clientId' | 'issuer' | 'subject'>

/**
 * The store comes first and decides; the upstream's own refresh token is revoked after that, where the upstream can, and the answer does not wait for it.
 */
export function createGrantEnding(surroundings: Surroundings): GrantEnding {
  const { grants } = surroundings.store
  const follow = createConsequences(surroundings)
  return {
    async endGrant(grantId, why) {
      const ended = await grants.revoke(grantId)
      return follow({ ended: ended ? [ended] : [], failures: [] }, why).revoked === 1
    },
    endEach: async (grantIds, why) => follow(await grants.revokeEach(grantIds), why),
    endSubject: async (issuer, subject, why) =>
      follow(await grants.revokeSubject(issuer, subject), why, { issuer, subject }),
    endClient: async (clientId, why) =>
      follow(await grants.revokeClient(clientId), why, { clientId }),
  }
}

function createConsequences({ upstream, audit, logger }: Surroundings) {
  const onEnded = (grant: Grant, why: EndReason): void => {
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
  const onUnopened = (grant: UnopenedGrant, why: EndReason, about: About): void => {
    const { grantId, unopened: err } = grant
    const { correlationId } = why
    audit({ event: 'revocation', outcome: 'granted', ...why, grantId, ...about })
    logger.warn(
      { correlationId, grantId, err },
      'a grant has ended whose record does not open; its upstream tokens were not revoked',
    )
  }

  return ({ ended, failures }: Revocations, why: EndReason, about: About = {}): EndTally => {
    const { correlationId } = why
    let unopened = 0
    for (const grant of ended) {
      if ('unopened' in grant) {
        unopened += 1
        onUnopened(grant, why, about)
      } else onEnded(grant, why)
    }
    for (const { grantId, error: err } of failures) {
      logger.warn({ correlationId, grantId, err }, 'a grant could not be ended')
    }
    return { revoked: ended.length, unopened, failed: failures.length }
  }
}
