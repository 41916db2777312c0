import type { Grant } from '../domain/grant.ts'
import { createExpiringMap, type ExpiringMap } from './expiring-map.ts'
import type { StoreLifetimes } from './lifetimes.ts'
import type {
  GrantStore,
  Invalidation,
  Lease,
  RefreshGeneration,
  Revocations,
  Rotation,
  UpstreamUpdate,
} from './port.ts'

type Held = {
  grant: Grant
  active: boolean
  newest: RefreshGeneration
  /** Epoch seconds until which the predecessor of `newest` is answered with it. */
  graceUntil: number
  lease?: { owner: string; until: number }
}

type Publish = (invalidation: Invalidation) => Promise<void>

/** The grants of the in-memory store. */
export function createMemoryGrants(
  now: () => number,
  lifetimes: StoreLifetimes,
  publish: Publish,
): GrantStore {
  const grants = createExpiringMap<Held>(now)
  const list = async (matches: (grant: Grant) => boolean): Promise<Grant[]> =>
    grants
      .values()
      .filter(({ grant }) => matches(grant))
      .map(({ grant }) => structuredClone(grant))
  const revoke = async (grantId: string): Promise<Grant | undefined> => {
    const held = grants.take(grantId)
    if (held) await publish({ kind: 'grant', grantId, change: 'revoked' })
    return held?.grant
  }
  const revokeEach = async (grantIds: readonly string[]): Promise<Revocations> => {
    const revoked = await Promise.all(grantIds.map(revoke))
    return { ended: revoked.filter(grant => grant !== undefined), failures: [] }
  }
  const revokeAll = async (matches: (grant: Grant) => boolean): Promise<Revocations> =>
    revokeEach((await list(matches)).map(({ grantId }) => grantId))
  return {
    ...createTokens(grants, now, lifetimes),
    ...createUpstream(grants, now, lifetimes, publish),
    find: async grantId => structuredClone(grants.get(grantId)?.grant),
    revoke,
    revokeEach,
    revokeSubject: (issuer, subject) => revokeAll(isOf(issuer, subject)),
    revokeClient: clientId => revokeAll(grant => grant.clientId === clientId),
    listBySubject: (issuer, subject) => list(isOf(issuer, subject)),
    listByClient: clientId => list(grant => grant.clientId === clientId),
    visitAll: async visit => visit(grants.values().map(({ grant }) => grant.grantId)),
  }
}

function isOf(issuer: string, subject: string): (grant: Grant) => boolean {
  return ({ identity }) => identity.issuer === issuer && identity.subject === subject
}

function createTokens(
  grants: ExpiringMap<Held>,
  now: () => number,
  { graceSeconds, grantAbsoluteSeconds }: StoreLifetimes,
): Pick<GrantStore, 'open' | 'activate' | 'rotateRefreshToken'> {
  const endOf = (grant: Grant, expiresAt: number): number =>
    Math.min(expiresAt, grant.openedAt + grantAbsoluteSeconds)

  const rotate = (held: Held, presented: number, successorKid: string): Rotation => {
    const { generation } = held.newest
    if (presented < generation) {
      return presented === generation - 1 && now() < held.graceUntil
        ? { outcome: 'repeated', successor: { ...held.newest } }
        : { outcome: 'replayed' }
    }
    held.newest = { generation: presented + 1, kid: successorKid }
    held.graceUntil = now() + graceSeconds
    return { outcome: 'rotated', successor: { ...held.newest } }
  }

  return {
    async open(grant, expiresAt) {
      const held = { active: false, newest: { generation: 0, kid: '' }, graceUntil: 0 }
      grants.set(grant.grantId, { ...held, grant: structuredClone(grant) }, endOf(grant, expiresAt))
    },
    async activate(grantId, first, expiresAt) {
      const held = grants.get(grantId)
      if (!held) return false
      Object.assign(held, { active: true, newest: { ...first }, graceUntil: 0 })
      grants.extend(grantId, endOf(held.grant, expiresAt))
      return true
    },
    async rotateRefreshToken(grantId, presented, successorKid, expiresAt) {
      const held = grants.get(grantId)
      if (!held?.active) return { outcome: 'unknown' }
      const rotation = rotate(held, presented.generation, successorKid)
      if (rotation.outcome !== 'replayed') grants.extend(grantId, endOf(held.grant, expiresAt))
      return rotation
    },
  }
}

function createUpstream(
  grants: ExpiringMap<Held>,
  now: () => number,
  { leaseSeconds, grantAbsoluteSeconds }: StoreLifetimes,
  publish: Publish,
): Pick<
  GrantStore,
  'claimUpstreamRefresh' | 'renewLease' | 'releaseLease' | 'replaceUpstreamTokens' | 'markDead'
> {
  const isLeased = (held: Held): boolean => held.lease !== undefined && held.lease.until > now()
  const findLeased = (lease: Lease): Held | undefined => {
    const held = grants.get(lease.grantId)
    return held && isLeased(held) && held.lease?.owner === lease.owner ? held : undefined
  }
  const findForWrite = (lease: Lease, seenVersion: number): Held | undefined => {
    const held = findLeased(lease)
    return held?.grant.version === seenVersion ? held : undefined
  }
  const replace = (held: Held, update: UpstreamUpdate): void => {
    const { tokens, identity } = structuredClone(update)
    const { dead: _over, ...grant } = held.grant
    held.grant = {
      ...grant,
      upstreamTokens: tokens,
      version: grant.version + 1,
      ...(identity && { identity }),
    }
    if (update.expiresAt === undefined) return
    const latest = grant.openedAt + grantAbsoluteSeconds
    grants.extend(grant.grantId, Math.min(update.expiresAt, latest))
  }

  return {
    async claimUpstreamRefresh(grantId, owner) {
      const held = grants.get(grantId)
      if (!held || isLeased(held)) return undefined
      held.lease = { owner, until: now() + leaseSeconds }
      return { lease: { grantId, owner }, grant: structuredClone(held.grant) }
    },
    async renewLease(lease) {
      const held = findLeased(lease)
      if (held) held.lease = { owner: lease.owner, until: now() + leaseSeconds }
      return held !== undefined
    },
    async releaseLease(lease) {
      const held = findLeased(lease)
      if (held) delete held.lease
    },
    async replaceUpstreamTokens(lease, seenVersion, update) {
      const held = findForWrite(lease, seenVersion)
      if (!held) return false
      replace(held, update)
      await publish({ kind: 'grant', grantId: lease.grantId, change: 'replaced' })
      return true
    },
    async markDead(lease, seenVersion, death) {
      const held = findForWrite(lease, seenVersion)
      if (!held) return false
      held.grant.dead = structuredClone(death)
      await publish({ kind: 'grant', grantId: lease.grantId, change: 'dead' })
      return true
    },
  }
}
