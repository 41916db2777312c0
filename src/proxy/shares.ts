import type { Load } from './balancing/member.ts'

/** How much of the process one subject may have. */
export type ShareLimits = {
  /** Its calls that are on their way. */
  inFlightPerSubject: number
  /** Its streams that only listen. */
  streamsPerSubject: number
}

export type Shares = {
  /** What one more would be too many of. */
  findExcess(subject: string, load: Load): 'subjectOverloaded' | 'tooManyStreams' | undefined
  take(subject: string, load: Load): void
  /** Exactly once for each that was taken. */
  release(subject: string, load: Load): void
}

/**
 * Counts what is under way for each subject. It holds only those for whom there is something, so it has never more entries than there are requests in flight.
 *
 * A subject is counted as its identity provider calls it; where two providers have the same name for two users, these share.
 */
export function createShares({ inFlightPerSubject, streamsPerSubject }: ShareLimits): Shares {
  const counts = { calls: new Map<string, number>(), streams: new Map<string, number>() }
  const limits = { calls: inFlightPerSubject, streams: streamsPerSubject }
  return {
    findExcess(subject, load) {
      if ((counts[load].get(subject) ?? 0) < limits[load]) return undefined
      return load === 'calls' ? 'subjectOverloaded' : 'tooManyStreams'
    },
    take: (subject, load) => add(counts[load], subject, 1),
    release: (subject, load) => add(counts[load], subject, -1),
  }
}

function add(counts: Map<string, number>, subject: string, change: number): void {
  const count = (counts.get(subject) ?? 0) + change
  if (count > 0) counts.set(subject, count)
  else counts.delete(subject)
}
