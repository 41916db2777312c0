import type { Member } from './member.ts'

/**
 * How a request went.
 *
 * - `failed`: it was sent, and no answer came, or one that speaks of an instance out of order.
 * - `unreachable`: nobody could connect.
 */
export type Report = 'answered' | 'failed' | 'unreachable'

/**
 * What a probe has found.
 *
 * - `open`: a connection can be made; whether anything would be answered is not known.
 * - `answered`: a request was.
 * - `dead`: neither.
 */
export type Finding = 'open' | 'answered' | 'dead'

export type Health<T> = {
  report(member: Member<T>, report: Report): void
  noteProbe(member: Member<T>, finding: Finding): void
  /** In (0, 1]: how much of its share a member may have by now. */
  findShare(member: Member<T>): number
  /** Ends the warming of a member that has its whole share by now. */
  coolIfWarm(member: Member<T>): void
  /** A member is no longer there, and what is still heard of it counts no more. */
  forget(member: Member<T>): void
  /** A new member takes part slowly at first. */
  warm(member: Member<T>): void
  /** Whether every member is in and has its whole share, so that there is nothing to ask. */
  isPlain(): boolean
}

export type HealthOptions<T> = {
  /** Epoch seconds. */
  now: () => number
  /** How many members there are. */
  count: () => number
  onChange?: ((value: T, change: 'ejected' | 'returned') => void) | undefined
}

const FAILURES_IN_A_ROW = 5
/** Probes are rare, so each says more than a request does. */
const FAILURES_OF_A_PROBE = 2
const EJECTION_SECONDS = 10
const LONGEST_EJECTION_SECONDS = 80
const WARM_UP_SECONDS = 30
const LEAST_SHARE = 0.1

/**
 * Which members are left alone. Failures in a row eject one for a while, doubling each time; then one request tries it, and its outcome decides. Never more than half are out at
 * once, so a fault that all share cannot take all of them away. What comes back, or is new, gets its share little by little, since caches are cold there.
 */
export function createHealth<T>({ now, count, onChange }: HealthOptions<T>): Health<T> {
  let ejected = 0
  let warming = 0

  const warm = (member: Member<T>): void => {
    if (member.warmingSince === undefined) warming += 1
    member.warmingSince = now()
  }

  const cool = (member: Member<T>): void => {
    if (member.warmingSince === undefined) return
    member.warmingSince = undefined
    warming -= 1
  }

  const eject = (member: Member<T>): void => {
    if (member.ejectedUntil === undefined) {
      if (ejected + 1 > Math.floor(count() / 2)) return
      ejected += 1
      cool(member)
      onChange?.(member.value, 'ejected')
    }
    const seconds = Math.min(EJECTION_SECONDS * 2 ** member.ejections, LONGEST_EJECTION_SECONDS)
    member.ejectedUntil = now() + seconds
    member.ejections += 1
  }

  const restore = (member: Member<T>): void => {
    member.failures = 0
    member.isUnreachable = false
    if (member.ejectedUntil === undefined) return
    member.ejectedUntil = undefined
    member.ejections = 0
    ejected -= 1
    warm(member)
    onChange?.(member.value, 'returned')
  }

  return {
    report(member, report) {
      if (member.isGone) return
      const wasOnTrial = member.isOnTrial
      member.isOnTrial = false
      if (report === 'answered') {
        member.hasAnswered = true
        return restore(member)
      }
      member.isUnreachable = report === 'unreachable'
      member.failures += 1
      if (wasOnTrial || member.failures >= FAILURES_IN_A_ROW) eject(member)
    },
    noteProbe(member, finding) {
      if (member.isGone) return
      if (finding === 'dead') {
        member.isUnreachable = true
        member.failures += FAILURES_OF_A_PROBE
        // While probes fail, no request has to find out that it is still dead.
        if (member.failures >= FAILURES_IN_A_ROW) eject(member)
      } else if (finding === 'answered' || member.isUnreachable) restore(member)
    },
    findShare(member) {
      if (member.warmingSince === undefined) return 1
      const share = (now() - member.warmingSince) / WARM_UP_SECONDS
      return Math.min(1, Math.max(LEAST_SHARE, share))
    },
    coolIfWarm(member) {
      const { warmingSince } = member
      if (warmingSince !== undefined && now() - warmingSince >= WARM_UP_SECONDS) cool(member)
    },
    forget(member) {
      cool(member)
      if (member.ejectedUntil !== undefined) ejected -= 1
      member.isGone = true
    },
    warm,
    isPlain: () => ejected === 0 && warming === 0,
  }
}
