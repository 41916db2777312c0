/** One instance as the balancer sees it. */
export type Member<T> = {
  readonly value: T
  inFlight: number
  /** In a row. */
  failures: number
  /** In a row. */
  ejections: number
  /** Epoch seconds until which it is left alone; after that one request tries it. */
  ejectedUntil: number | undefined
  isOnTrial: boolean
}

export type Balancer<T> = {
  readonly members: readonly Member<T>[]
  /** Chooses among those not in `tried` and counts the request as in flight there. `undefined`: all were tried. */
  take(tried: readonly Member<T>[]): Member<T> | undefined
  /** Says how a request went, as soon as that is known. */
  report(member: Member<T>, outcome: 'answered' | 'failed'): void
  /** The request is over, whatever became of it. */
  release(member: Member<T>): void
}

export type BalancerOptions<T> = {
  /** Epoch seconds. */
  now: () => number
  /** In [0, 1). */
  random: () => number
  onChange?: (value: T, change: 'ejected' | 'returned') => void
}

const FAILURES_IN_A_ROW = 5
const EJECTION_SECONDS = 10
const LONGEST_EJECTION_SECONDS = 80

/**
 * Power of two choices on requests in flight. Failures in a row eject an instance for a while, doubling each time; then one request tries it, and its outcome decides. Never
 * more than half are out at once, so a fault that all share cannot take all of them away.
 */
export function createBalancer<T>(
  values: readonly T[],
  { now, random, onChange }: BalancerOptions<T>,
): Balancer<T> {
  const members = values.map(value => createMember(value))
  let ejected = 0

  const lighter = (list: readonly Member<T>[]): Member<T> | undefined => {
    if (list.length < 2) return list[0]
    const first = Math.floor(random() * list.length)
    const second = (first + 1 + Math.floor(random() * (list.length - 1))) % list.length
    const [one, other] = [list[first], list[second]]
    return one && other && other.inFlight < one.inFlight ? other : one
  }

  const choose = (tried: readonly Member<T>[]): Member<T> | undefined => {
    if (ejected === 0 && tried.length === 0) return lighter(members)
    const untried = members.filter(member => !tried.includes(member))
    const due = untried.find(
      member => !member.isOnTrial && (member.ejectedUntil ?? Infinity) <= now(),
    )
    if (due) {
      due.isOnTrial = true
      return due
    }
    // A doubtful instance is better than none.
    return lighter(untried.filter(member => member.ejectedUntil === undefined)) ?? lighter(untried)
  }

  const eject = (member: Member<T>): void => {
    if (member.ejectedUntil === undefined) {
      if (ejected + 1 > Math.floor(members.length / 2)) return
      ejected += 1
      onChange?.(member.value, 'ejected')
    }
    const seconds = Math.min(EJECTION_SECONDS * 2 ** member.ejections, LONGEST_EJECTION_SECONDS)
    member.ejectedUntil = now() + seconds
    member.ejections += 1
  }

  const restore = (member: Member<T>): void => {
    member.failures = 0
    if (member.ejectedUntil === undefined) return
    member.ejectedUntil = undefined
    member.ejections = 0
    ejected -= 1
    onChange?.(member.value, 'returned')
  }

  return {
    members,
    take(tried) {
      const member = choose(tried)
      if (member) member.inFlight += 1
      return member
    },
    report(member, outcome) {
      const wasOnTrial = member.isOnTrial
      member.isOnTrial = false
      if (outcome === 'answered') return restore(member)
      member.failures += 1
      if (wasOnTrial || member.failures >= FAILURES_IN_A_ROW) eject(member)
    },
    release(member) {
      member.inFlight -= 1
      member.isOnTrial = false
    },
  }
}

function createMember<T>(value: T): Member<T> {
  return {
    value,
    inFlight: 0,
    failures: 0,
    ejections: 0,
    ejectedUntil: undefined,
    isOnTrial: false,
  }
}
