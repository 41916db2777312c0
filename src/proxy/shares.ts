/** How much of the process one subject may have. */
export type ShareLimits = {
  /** Its requests that are on their way, open streams among them. */
  inFlightPerSubject: number
  /** Its streams that listen. */
  streamsPerSubject: number
}

export type Shares = {
  /** What one more would be too many of. */
  findExcess(
    subject: string,
    isListening: boolean,
  ): 'subjectOverloaded' | 'tooManyStreams' | undefined
  take(subject: string, isListening: boolean): void
  /** Exactly once for each that was taken. */
  release(subject: string, isListening: boolean): void
}

/**
 * Counts what is under way for each subject. It holds only those for whom there is something, so it has never more entries than there are requests in flight.
 *
 * A subject is counted as its identity provider calls it; where two providers have the same name for two users, these share.
 */
export function createShares({ inFlightPerSubject, streamsPerSubject }: ShareLimits): Shares {
  const calls = new Map<string, number>()
  const streams = new Map<string, number>()
  return {
    findExcess(subject, isListening) {
      if ((calls.get(subject) ?? 0) >= inFlightPerSubject) return 'subjectOverloaded'
      if (isListening && (streams.get(subject) ?? 0) >= streamsPerSubject) return 'tooManyStreams'
      return undefined
    },
    take(subject, isListening) {
      add(calls, subject, 1)
      if (isListening) add(streams, subject, 1)
    },
    release(subject, isListening) {
      add(calls, subject, -1)
      if (isListening) add(streams, subject, -1)
    },
  }
}

function add(counts: Map<string, number>, subject: string, change: number): void {
  const count = (counts.get(subject) ?? 0) + change
  if (count > 0) counts.set(subject, count)
  else counts.delete(subject)
}
