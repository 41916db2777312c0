import type { Load } from './balancing/member.ts'

/** How much of the process one subject may have. */
export type ShareLimits = {
  /** Its calls that are on their way. */
  inFlightPerSubject: number
  /** Its streams that only listen. */
  streamsPerSubject: number
}

/** What is under way for one subject. */
export type Share = { readonly subject: string } & Record<Load, number>

export type Shares = {
  /** The same object for the same subject as long as something is under way for it. */
  find(subject: string): Share
  /** What one more would be too many of. */
  findExcess(share: Share, load: Load): 'subjectOverloaded' | 'tooManyStreams' | undefined
  /** At once after it was found. */
  take(share: Share, load: Load): void
  /** Exactly once for each that was taken. */
  release(share: Share, load: Load): void
}

/**
 * Counts what is under way for each subject. It holds only those for whom there is something, so it has never more entries than there are requests in flight.
 *
 * A subject is counted as its identity provider calls it; where two providers have the same name for two users, these share.
 */
export function createShares({ inFlightPerSubject, streamsPerSubject }: ShareLimits): Shares {
  const shares = new Map<string, Share>()
  const limits = { calls: inFlightPerSubject, streams: streamsPerSubject }
  return {
    find: subject => shares.get(subject) ?? { subject, calls: 0, streams: 0 },
    findExcess(share, load) {
      if (share[load] < limits[load]) return undefined
      return load === 'calls' ? 'subjectOverloaded' : 'tooManyStreams'
    },
    take(share, load) {
      if (isEmpty(share)) shares.set(share.subject, share)
      share[load] += 1
    },
    release(share, load) {
      share[load] -= 1
      if (isEmpty(share)) shares.delete(share.subject)
    },
  }
}

function isEmpty({ calls, streams }: Share): boolean {
  return calls === 0 && streams === 0
}
