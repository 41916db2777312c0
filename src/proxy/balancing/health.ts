import type { Member } from './member.ts'
import { createWarmth, type Warmth } from './warmth.ts'

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

export type Health<T> = Pick<Warmth<T>, 'warm' | 'findShare' | 'coolIfWarm'> & {
  /** Says how a request went, as soon as that is known. */
  report(member: Member<T>, report: Report): void
  /** The rest of an answer has come, or has not. */
  noteEnd(member: Member<T>, isWhole: boolean): void
  noteProbe(member: Member<T>, finding: Finding): void
  /** A member is no longer there, and what is still heard of it counts no more. */
  forget(member: Member<T>): void
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

/**
 * Which members are left alone. Failures in a row eject one for a while, doubling each time; then one request tries it, and its outcome decides. Never more than half are out at
 * once, so a fault that all share cannot take all of them away. What comes back, or is new, gets its share little by little, since caches are cold there.
 */
export function createHealth<T>({ now, count, onChange }: HealthOptions<T>): Health<T> {
  const warmth = createWarmth<T>(now)
  let ejected = 0

  const eject = (member: Member<T>): void => {
    if (member.ejectedUntil === undefined) {
      if (ejected + 1 > Math.floor(count() / 2)) return
      ejected += 1
      warmth.cool(member)
      onChange?.(member.value, 'ejected')
    }
    member.ejectedUntil = now() + ejectionSeconds(member)
    member.ejections += 1
  }

  const restore = (member: Member<T>): void => {
    if (isSuspect(member)) return
    member.failures = 0
    member.isUnreachable = false
    if (member.ejectedUntil === undefined) return
    member.ejectedUntil = undefined
    member.ejections = 0
    ejected -= 1
    warmth.warm(member)
    onChange?.(member.value, 'returned')
  }

  return {
    report(member, report) {
      if (member.isGone) return
      if (report === 'answered') {
        noteAnswer(member)
        return restore(member)
      }
      const wasEjected = member.ejectedUntil !== undefined
      member.isOnTrial = false
      noteReach(member, report === 'unreachable')
      member.failures += 1
      if (isOut(member, now())) return
      if (wasEjected || member.failures >= FAILURES_IN_A_ROW) eject(member)
    },
    noteEnd(member, isWhole) {
      if (member.isGone) return
      const wasSuspect = isSuspect(member)
      member.broken = isWhole ? 0 : member.broken + 1
      if (isSuspect(member) && !isOut(member, now())) eject(member)
      else if (wasSuspect) restore(member)
    },
    noteProbe(member, finding) {
      if (member.isGone) return
      if (finding === 'dead') {
        noteReach(member, true)
        member.failures += FAILURES_OF_A_PROBE
        // While probes fail, no request has to find out that it is still dead.
        if (member.failures >= FAILURES_IN_A_ROW) eject(member)
      } else if (finding === 'answered' || member.isUnreachable) restore(member)
    },
    forget(member) {
      warmth.cool(member)
      if (member.ejectedUntil !== undefined) ejected -= 1
      member.isGone = true
    },
    ...warmth,
    isPlain: () => ejected === 0 && warmth.isEven(),
  }
}

function ejectionSeconds({ ejections }: Member<unknown>): number {
  return Math.min(EJECTION_SECONDS * 2 ** ejections, LONGEST_EJECTION_SECONDS)
}

/** What breaks its answers off has to bring a whole one before it is trusted. */
function isSuspect({ broken }: Member<unknown>): boolean {
  return broken >= FAILURES_IN_A_ROW
}

/** What fails during its time out went there before, or where nobody else was left, and prolongs nothing. */
function isOut({ ejectedUntil }: Member<unknown>, now: number): boolean {
  return ejectedUntil !== undefined && ejectedUntil > now
}

function noteAnswer(member: Member<unknown>): void {
  member.hasAnswered = true
  member.isOnTrial &&= isSuspect(member)
}

/** Whatever will answer there once it can be reached again has broken nothing off yet. */
function noteReach(member: Member<unknown>, isUnreachable: boolean): void {
  member.isUnreachable = isUnreachable
  if (isUnreachable) member.broken = 0
}
