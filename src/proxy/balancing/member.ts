/** What a request is to the instance that has it: one that ends by itself, or a stream that stays open. Each kind has a budget and a balance of its own. */
export type Load = 'calls' | 'streams'

/** One instance as the balancer sees it. */
export type Member<T> = {
  readonly value: T
  /** Under way there. */
  calls: number
  /** Open there. */
  streams: number
  /** In a row. */
  failures: number
  /** Answers that broke off, since one came to its end. */
  broken: number
  /** In a row. */
  ejections: number
  /** Epoch seconds until which it is left alone; after that one request tries it. */
  ejectedUntil: number | undefined
  isOnTrial: boolean
  /** Whether its latest failure was that nobody could connect. */
  isUnreachable: boolean
  /** Epoch seconds at which it came, or came back; `undefined` once it has its whole share. */
  warmingSince: number | undefined
  /** Whether it has answered since somebody last looked. */
  hasAnswered: boolean
  isGone: boolean
}

export function createMember<T>(value: T): Member<T> {
  return {
    value,
    calls: 0,
    streams: 0,
    failures: 0,
    broken: 0,
    ejections: 0,
    ejectedUntil: undefined,
    isOnTrial: false,
    isUnreachable: false,
    warmingSince: undefined,
    hasAnswered: false,
    isGone: false,
  }
}

/** `warming`: it gets its share little by little. */
export type MemberState = 'serving' | 'warming' | 'ejected'

export function stateOf({ ejectedUntil, warmingSince }: Member<unknown>): MemberState {
  if (ejectedUntil !== undefined) return 'ejected'
  return warmingSince === undefined ? 'serving' : 'warming'
}
