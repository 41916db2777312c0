import { readMessages } from './message.ts'

/** How long an answer may take; in milliseconds, coarse. */
export type TimeLimits = {
  /** From the request's last byte to the answer's head. */
  readonly headersMs: number
  /** Between two pieces of an answer. */
  readonly idleMs: number
  /** From the first dispatch to the end of the answer. */
  readonly totalMs: number
}

export type TimeoutOptions = {
  connectMs: number
  headersMs: number
  idleMs: number
  /** No end where it is missing. */
  totalMs?: number | undefined
  /** Of streams that only listen, in place of the two before it. */
  maxAgeMs: number
  /** What differs for a JSON-RPC method. */
  methods: Readonly<Record<string, MethodTimeouts>>
}

export type MethodTimeouts = {
  headersMs?: number | undefined
  idleMs?: number | undefined
  totalMs?: number | undefined
}

/** Which limits a call has. @param passed the fields that go to the backend, flat */
export type ChooseTimeLimits = (body: Buffer | undefined, passed: readonly string[]) => TimeLimits

/** Bodies are read only where limits depend on the method. The same object for the same limits. */
export function createTimeLimits(timeouts: TimeoutOptions): ChooseTimeLimits {
  const usual = limitsOf(timeouts, {})
  const special = new Map(
    Object.entries(timeouts.methods).map(([method, own]) => [method, limitsOf(timeouts, own)]),
  )
  if (special.size === 0) return () => usual
  return (body, passed) => {
    if (body === undefined) return usual
    const reading = readMessages(body, passed)
    const asks = reading.outcome === 'read' ? reading.asks : []
    return special.get(asks[0]?.method ?? '') ?? usual
  }
}

function limitsOf({ headersMs, idleMs, totalMs }: TimeoutOptions, own: MethodTimeouts): TimeLimits {
  return {
    headersMs: own.headersMs ?? headersMs,
    idleMs: own.idleMs ?? idleMs,
    totalMs: own.totalMs ?? totalMs ?? Infinity,
  }
}
