import type { PendingLogin } from '../../domain/authorization-request.ts'
import type { Grant, Identity } from '../../domain/grant.ts'
import { OutageError } from '../../domain/outage.ts'
import type { LoginResult } from '../../upstream/provider.ts'
import type { AuthorizationServer } from '../context.ts'
import type { GrantEnding } from '../tokens/grant-ending.ts'

/**
 * Conditional access: an upstream that refuses a token says with `claims` what it wants of the next login. It says so to a grant, while logins begin before anybody knows
 * who signs in; so a login that turns out to lack those claims is begun anew with them, once, and the upstream asks its user for no more than what is missing.
 */
export type StepUp = {
  /** The claims for which this login is to be begun anew; none where it has been already. */
  findClaims(pending: PendingLogin, result: LoginResult): Promise<string | undefined>
  /** Ends the grants that asked for claims, a login with them having come through, so that the next login is not begun anew because of them. */
  settle(pending: PendingLogin, identity: Identity): Promise<void>
}

export function createStepUp(
  { store, logger }: Pick<AuthorizationServer, 'store' | 'logger'>,
  ending: GrantEnding,
): StepUp {
  /** A grant that cannot be read (its key has left the ring) must not keep its user from a new login. Where the whole store is away, opening the grant will say so. */
  const listGrants = ({ issuer, subject }: Identity): Promise<Grant[]> =>
    store.grants.listBySubject(issuer, subject).catch((failure: unknown) => {
      if (!(failure instanceof OutageError)) throw failure
      logger.warn({ err: failure }, 'earlier grants of this user cannot be read')
      return []
    })

  const findWaiting = async ({ request }: PendingLogin, identity: Identity): Promise<Grant[]> => {
    const grants = await listGrants(identity)
    return grants
      .filter(({ clientId, resource, dead }) => {
        const isSame = clientId === request.clientId && resource === request.resource
        return isSame && dead?.claims !== undefined
      })
      .sort((left, right) => (right.dead?.at ?? 0) - (left.dead?.at ?? 0))
  }
  return {
    findClaims: async (pending, result) => {
      if (pending.claims !== undefined || result.outcome === 'refused') return undefined
      if (result.outcome === 'failed') return result.failure.claims
      const [latest] = await findWaiting(pending, result.identity)
      return latest?.dead?.claims
    },
    settle: async (pending, identity) => {
      if (pending.claims === undefined) return
      const why = { reason: 'replaced by a login with the claims it lacked' }
      for (const { grantId } of await findWaiting(pending, identity)) {
        await ending.endGrant(grantId, { ...why, correlationId: pending.flowId })
      }
    },
  }
}
