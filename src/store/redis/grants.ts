import { type Grant, grantLatestEnd } from '../../domain/grant.ts'
import { OutageError } from '../../domain/outage.ts'
import { createId, digest } from '../../domain/secret.ts'
import type { StoreLifetimes } from '../lifetimes.ts'
import type {
  EndedGrant,
  GrantStore,
  RefreshGeneration,
  RevocationFailure,
  Revocations,
  Rotation,
} from '../port.ts'
import { inBatches } from './batches.ts'
import type { RedisConnection } from './connection.ts'
import { createGrantRecords, GRANT_FIELDS, type GrantRecords, listsOf } from './grant-record.ts'
import { digestSubject } from './keys.ts'
import { parseStrings, toMs } from './records.ts'
import type { SealedJson } from './sealed.ts'
import { createUpstreamWrites } from './upstream-writes.ts'
import { createWalk } from './walk.ts'

/** As long as a revocation can take with all its repetitions: the longest deadline that can be configured. */
const REVOKED_MS = 60_000

/** Grants in Redis: see `docs/storage.md` for their keys and fields. */
export function createRedisGrants(
  connection: RedisConnection,
  sealed: SealedJson,
  lifetimes: StoreLifetimes,
): GrantStore {
  const records = createGrantRecords(sealed)
  const lookUp = createLookUp(connection, records)
  const revoke = createRevoke(connection, records)
  const revokeEach = createRevokeEach(revoke)
  const revokeAll = async (list: string): Promise<Revocations> =>
    revokeEach(await lookUp.readList(list))
  const { keys } = connection
  const subjectList = (issuer: string, subject: string): string =>
    keys.grantsOfSubject(digestSubject(issuer, subject))
  const clientList = (clientId: string): string => keys.grantsOfClient(digest(clientId))

  return {
    ...createLife(connection, records, lifetimes),
    ...createUpstreamWrites(connection, records, lifetimes.leaseSeconds),
    find: lookUp.find,
    revoke,
    revokeEach,
    revokeSubject: (issuer, subject) => revokeAll(subjectList(issuer, subject)),
    revokeClient: clientId => revokeAll(clientList(clientId)),
    listBySubject: (issuer, subject) => lookUp.findListed(subjectList(issuer, subject)),
    listByClient: clientId => lookUp.findListed(clientList(clientId)),
    visitAll: createWalk(connection),
  }
}

function createLookUp({ run, keys }: RedisConnection, records: GrantRecords) {
  const find = async (grantId: string): Promise<Grant | undefined> => {
    const key = keys.grant(grantId)
    const reply = await run('find', 'repeatable', client => client.hmget(key, ...GRANT_FIELDS))
    return records.parse(grantId, parseStrings(reply), key)
  }
  const readList = async (list: string): Promise<string[]> => {
    const reply = await run('list grants', 'repeatable', client => client.readList(list))
    return parseStrings(reply).filter(grantId => grantId !== undefined)
  }
  return {
    find,
    readList,
    async findListed(list: string): Promise<Grant[]> {
      const grantIds = await readList(list)
      const grants = await inBatches(grantIds, batch => Promise.all(batch.map(find)))
      return grants.filter(grant => grant !== undefined)
    },
  }
}

function createLife(
  { run, keys, confirmReplicas }: RedisConnection,
  records: GrantRecords,
  lifetimes: StoreLifetimes,
): Pick<GrantStore, 'open' | 'activate' | 'rotateRefreshToken'> {
  return {
    async open(grant, expiresAt) {
      const key = keys.grant(grant.grantId)
      const latestEnd = `${toMs(grantLatestEnd(grant, lifetimes.grantAbsoluteSeconds))}`
      const { subject, client: clientDigest } = listsOf(grant)
      // Listed before it exists, and until its latest possible end: at no time is there a grant that cannot be found to be revoked. The lists lie on other servers of a
      // cluster, so one script cannot do both.
      await run('list a grant', 'repeatable', client =>
        Promise.all(
          [keys.grantsOfSubject(subject), keys.grantsOfClient(clientDigest)].map(list =>
            client.addToList(list, grant.grantId, latestEnd),
          ),
        ),
      )
      const fields = [...records.render(grant, key), 'latestEnd', latestEnd]
      await run('open', 'once', client => client.openGrant(key, `${toMs(expiresAt)}`, ...fields))
      await confirmReplicas(grant.grantId)
    },
    async activate(grantId, first, expiresAt) {
      const reply = await run('activate', 'repeatable', client =>
        client.activateGrant(
          keys.grant(grantId),
          `${first.generation}`,
          first.kid,
          `${toMs(expiresAt)}`,
        ),
      )
      await confirmReplicas(grantId)
      return reply === 1
    },
    async rotateRefreshToken(grantId, presented, successorKid, expiresAt) {
      const graceMs = `${toMs(lifetimes.graceSeconds)}`
      // Repeatable: the second finds the first's successor, and answers it as `repeated`.
      const reply = await run('rotateRefreshToken', 'repeatable', client =>
        client.rotateRefreshToken(
          keys.grant(grantId),
          `${presented.generation}`,
          successorKid,
          graceMs,
          `${toMs(expiresAt)}`,
        ),
      )
      const rotation = parseRotation(parseStrings(reply))
      if (rotation.outcome === 'rotated') await confirmReplicas(grantId)
      return rotation
    },
  }
}

function parseRotation([outcome, generation, kid]: (string | undefined)[]): Rotation {
  if (outcome === 'replayed') return { outcome }
  if (outcome !== 'rotated' && outcome !== 'repeated') return { outcome: 'unknown' }
  const successor: RefreshGeneration = { generation: Number(generation), kid: kid ?? '' }
  return { outcome, successor }
}

function createRevoke(
  { run, keys, confirmReplicas }: RedisConnection,
  records: GrantRecords,
): GrantStore['revoke'] {
  return async grantId => {
    const key = keys.grant(grantId)
    const message = JSON.stringify({ kind: 'grant', grantId, change: 'revoked' })
    // Losing this answer would leave the upstream's tokens alive, and nothing on record.
    const revocationId = createId()
    const reply = await run('revoke', 'repeatable', client =>
      client.revokeGrant(
        ...[key, keys.lease(grantId), keys.revoked(grantId)],
        ...[revocationId, `${REVOKED_MS}`, keys.channel, message],
        ...GRANT_FIELDS,
      ),
    )
    if (reply === null) return undefined
    await confirmReplicas(grantId)
    const grant = openEnded(grantId, () => records.parse(grantId, parseStrings(reply), key))
    if (!grant || 'unopened' in grant) return grant
    const { subject, client: clientDigest } = listsOf(grant)
    // The grant is gone whether this succeeds or not; an entry left behind ends by itself.
    await run('unlist a grant', 'repeatable', client =>
      Promise.all(
        [keys.grantsOfSubject(subject), keys.grantsOfClient(clientDigest)].map(list =>
          client.zrem(list, grantId),
        ),
      ),
    ).catch(() => {})
    return grant
  }
}

function createRevokeEach(revoke: GrantStore['revoke']): GrantStore['revokeEach'] {
  const attempt = (grantId: string): Promise<Partial<Tried>> =>
    revoke(grantId).then(
      ended => ({ ...(ended && { ended }) }),
      (error: unknown) => ({ failure: { grantId, error } }),
    )
  return async grantIds => {
    const tried = await inBatches(grantIds, batch => Promise.all(batch.map(attempt)))
    return {
      ended: tried.flatMap(({ ended }) => ended ?? []),
      failures: tried.flatMap(({ failure }) => failure ?? []),
    }
  }
}

type Tried = { ended: EndedGrant; failure: RevocationFailure }

/** It has ended by now, whether its record opens or not. */
function openEnded(grantId: string, parse: () => Grant | undefined): EndedGrant | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof OutageError) return { grantId, unopened: error }
    throw error
  }
}
