import type { Member } from './member.ts'

/** Which members do not have their whole share yet. */
export type Warmth<T> = {
  /** A member that is new, or back, takes part slowly at first. */
  warm(member: Member<T>): void
  /** It takes part as all do, or not at all. */
  cool(member: Member<T>): void
  /** Ends the warming of a member that has its whole share by now. */
  coolIfWarm(member: Member<T>): void
  /** In (0, 1]: how much of its share a member may have by now. */
  findShare(member: Member<T>): number
  /** Whether all have their whole share. */
  isEven(): boolean
}

const WARM_UP_SECONDS = 30
const LEAST_SHARE = 0.1

/** @param now epoch seconds */
export function createWarmth<T>(now: () => number): Warmth<T> {
  let warming = 0

  const cool = (member: Member<T>): void => {
    if (member.warmingSince === undefined) return
    member.warmingSince = undefined
    warming -= 1
  }

  return {
    warm(member) {
      if (member.warmingSince === undefined) warming += 1
      member.warmingSince = now()
    },
    cool,
    coolIfWarm(member) {
      const { warmingSince } = member
      if (warmingSince !== undefined && now() - warmingSince >= WARM_UP_SECONDS) cool(member)
    },
    findShare({ warmingSince }) {
      if (warmingSince === undefined) return 1
      return Math.min(1, Math.max(LEAST_SHARE, (now() - warmingSince) / WARM_UP_SECONDS))
    },
    isEven: () => warming === 0,
  }
}
