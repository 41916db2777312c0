import { createHealth, type Health } from './health.ts'
import { createMember, type Load, type Member } from './member.ts'

export type { Load, Member } from './member.ts'

export type Balancer<T> = Pick<Health<T>, 'report' | 'noteEnd' | 'noteProbe'> & {
  readonly members: readonly Member<T>[]
  /** Chooses among those not in `tried` and counts the request as under way there. `undefined`: all were tried, or have no room. */
  take(tried: readonly Member<T>[], load: Load): Member<T> | undefined
  /** The request is over, whatever became of it. */
  release(member: Member<T>, load: Load): void
  /** From now on there are these too. */
  add(values: readonly T[]): void
  /** From now on no request goes there; those that are under way go on. */
  remove(value: T): void
  /** Time goes by. */
  tick(): void
}

export type BalancerOptions<T> = {
  /** Epoch seconds. */
  now: () => number
  /** In [0, 1). */
  random: () => number
  /** How many of each there may be at one member. */
  room: Readonly<Record<Load, number>>
  onChange?: (value: T, change: 'ejected' | 'returned') => void
}

/**
 * Power of two choices, calls and streams each on how many of their own kind are under way: the streams that pile up while an instance restarts must not draw all calls to it
 * afterwards.
 */
export function createBalancer<T>(
  values: readonly T[],
  { now, random, room, onChange }: BalancerOptions<T>,
): Balancer<T> {
  let members = values.map(value => createMember(value))
  const health = createHealth<T>({ now, onChange, count: () => members.length })

  const choose = (tried: readonly Member<T>[], load: Load): Member<T> | undefined => {
    if (health.isPlain() && tried.length === 0) return lighter(members, load, random)
    const untried = members.filter(member => !tried.includes(member))
    const due = untried.find(
      member =>
        !member.isOnTrial &&
        (member.ejectedUntil ?? Infinity) <= now() &&
        member[load] < room[load],
    )
    if (due) {
      due.isOnTrial = true
      return due
    }
    const healthy = untried.filter(member => member.ejectedUntil === undefined)
    // A doubtful instance is better than none.
    return lighter(ready(healthy), load, random) ?? lighter(untried, load, random)
  }

  const ready = (healthy: Member<T>[]): Member<T>[] =>
    health.isPlain() ? healthy : drawByShare(healthy, health.findShare, random)

  const withRoom = (tried: readonly Member<T>[], load: Load): Member<T> | undefined =>
    lighter(
      members.filter(member => !tried.includes(member) && member[load] < room[load]),
      load,
      random,
    )

  return {
    get members() {
      return members
    },
    take(tried, load) {
      const chosen = choose(tried, load)
      const isFull = chosen !== undefined && chosen[load] >= room[load]
      const member = isFull ? withRoom(tried, load) : chosen
      if (member) member[load] += 1
      return member
    },
    report: health.report,
    noteEnd: health.noteEnd,
    noteProbe: health.noteProbe,
    release(member, load) {
      member[load] -= 1
      member.isOnTrial = false
    },
    add(added) {
      const fresh = added.map(value => createMember(value))
      // The first have nobody to leave the work to.
      if (members.length > 0) fresh.forEach(health.warm)
      members = [...members, ...fresh]
    },
    remove(value) {
      const gone = members.find(member => member.value === value)
      if (!gone) return
      health.forget(gone)
      members = members.filter(member => member !== gone)
    },
    tick() {
      if (!health.isPlain()) members.forEach(health.coolIfWarm)
    },
  }
}

/** Those whose turn it is: a member with a third of its share stands back two times of three. */
function drawByShare<T>(
  healthy: Member<T>[],
  findShare: (member: Member<T>) => number,
  random: () => number,
): Member<T>[] {
  const drawn = healthy.filter(member => {
    const share = findShare(member)
    return share >= 1 || random() < share
  })
  return drawn.length > 0 ? drawn : healthy
}

function lighter<T>(
  list: readonly Member<T>[],
  load: Load,
  random: () => number,
): Member<T> | undefined {
  if (list.length < 2) return list[0]
  const first = Math.floor(random() * list.length)
  const second = (first + 1 + Math.floor(random() * (list.length - 1))) % list.length
  const [one, other] = [list[first], list[second]]
  return one && other && other[load] < one[load] ? other : one
}
