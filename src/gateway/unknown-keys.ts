import type { KeyPurpose, KeyRing } from '../domain/key-ring.ts'
import type { Logger } from '../observability/log.ts'

/** What shows a key that is not there, and what to call it. The others follow from these, or are an outage that says so itself. */
const MADE: Partial<Record<KeyPurpose, string>> = {
  'access-token': 'access token',
  'refresh-token': 'refresh token',
  'client-id': 'client id',
}
const KID_LENGTH = 16

/** Strangers can name any key. */
const PAUSE_MS = 10_000

/**
 * The same ring, which says when something is refused because its key is not there: that looks like any other refusal to a client, and operators who have taken a key out too
 * early would not know why everybody signs in anew. One line in ten seconds at most. A part of the composition in `gateway.ts`.
 */
export function noteUnknownKeys(
  ring: KeyRing,
  logger: Logger,
  monotonicMs = () => performance.now(),
): KeyRing {
  let silentUntil = Number.NEGATIVE_INFINITY
  let unsaid = 0
  const note = (what: string, kid: string): void => {
    if (monotonicMs() < silentUntil) {
      unsaid += 1
      return
    }
    const line = { what, kid: kid.slice(0, KID_LENGTH), known: ring.kids, unsaid }
    logger.info(line, 'refused: its key is not among the keys')
    silentUntil = monotonicMs() + PAUSE_MS
    unsaid = 0
  }
  return {
    ...ring,
    find: (purpose, kid) => {
      const key = ring.find(purpose, kid)
      const what = MADE[purpose]
      if (!key && what !== undefined) note(what, kid)
      return key
    },
  }
}
