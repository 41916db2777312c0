import { createId } from '../../domain/secret.ts'
import type { GrantStore, Invalidation, Lease } from '../port.ts'
import type { RedisConnection } from './connection.ts'
import { GRANT_FIELDS, type GrantRecords, type GrantReply } from './grant-record.ts'
import { parseStrings, toMs } from './records.ts'

type UpstreamWrites = Pick<
  GrantStore,
  'claimUpstreamRefresh' | 'renewLease' | 'releaseLease' | 'replaceUpstreamTokens' | 'markDead'
>

type Change = Extract<Invalidation, { kind: 'grant' }>['change']

/** The lease of an upstream refresh, and the two writes that are done under it. */
export function createUpstreamWrites(
  connection: RedisConnection,
  records: GrantRecords,
  leaseSeconds: number,
): UpstreamWrites {
  const { keys, confirmReplicas } = connection
  const write = createWriteUnderLease(connection)
  return {
    ...createLeases(connection, records, leaseSeconds),
    async replaceUpstreamTokens(lease, seenVersion, { tokens, identity, expiresAt }) {
      const key = keys.grant(lease.grantId)
      const isWritten = await write(lease, seenVersion, 'replaced', expiresAt, [
        ...['version', `${seenVersion + 1}`],
        ...records.renderTokens(tokens, key),
        ...(identity ? records.renderIdentity(identity, key) : []),
      ])
      if (isWritten) await confirmReplicas(lease.grantId)
      return isWritten
    },
    markDead: (lease, seenVersion, death) =>
      write(
        lease,
        seenVersion,
        'dead',
        undefined,
        records.renderDead(death, keys.grant(lease.grantId)),
      ),
  }
}

function createWriteUnderLease({ run, keys }: RedisConnection) {
  return async (
    lease: Lease,
    seenVersion: number,
    change: Change,
    expiresAt: number | undefined,
    fields: string[],
  ): Promise<boolean> => {
    // Losing this write would lose a rotated refresh token, so it is repeated; its id tells a repetition from a late writer.
    const writeId = createId()
    const message = JSON.stringify({ kind: 'grant', grantId: lease.grantId, change })
    const reply = await run('write under lease', 'repeatable', client =>
      client.writeUnderLease(
        keys.grant(lease.grantId),
        keys.lease(lease.grantId),
        lease.owner,
        `${seenVersion}`,
        writeId,
        expiresAt === undefined ? '' : `${toMs(expiresAt)}`,
        keys.channel,
        message,
        ...fields,
      ),
    )
    return reply === 1
  }
}

function createLeases(
  { run, keys }: RedisConnection,
  records: GrantRecords,
  leaseSeconds: number,
): Pick<GrantStore, 'claimUpstreamRefresh' | 'renewLease' | 'releaseLease'> {
  const leaseMs = `${toMs(leaseSeconds)}`

  /** A write of tokens re-seals the tokens; this takes the other parts along, so that a key that was replaced can be removed. */
  const reseal = async (key: string, reply: GrantReply): Promise<void> => {
    const parts = records.reseal(reply, key)
    if (parts.length === 0) return
    await run('reseal', 'repeatable', client =>
      Promise.all(parts.map(({ field, from, to }) => client.resealField(key, field, from, to))),
    ).catch(() => {})
  }

  return {
    async claimUpstreamRefresh(grantId, owner) {
      const key = keys.grant(grantId)
      const reply = await run('claimUpstreamRefresh', 'once', client =>
        client.claimLease(key, keys.lease(grantId), owner, leaseMs, ...GRANT_FIELDS),
      )
      if (reply === null) return undefined
      const fields = parseStrings(reply)
      const grant = records.parse(grantId, fields, key)
      if (!grant) return undefined
      await reseal(key, fields)
      return { lease: { grantId, owner }, grant }
    },
    renewLease: async lease =>
      (await run('renewLease', 'repeatable', client =>
        client.renewLease(keys.lease(lease.grantId), lease.owner, leaseMs),
      )) === 1,
    async releaseLease(lease) {
      await run('releaseLease', 'repeatable', client =>
        client.releaseLease(keys.lease(lease.grantId), lease.owner),
      )
    },
  }
}
