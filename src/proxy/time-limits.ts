import type { Call } from './call.ts'
import { readMessages } from './message.ts'
import type { Refusals } from './refusals.ts'

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

/** Which limits a call has; bodies are read only where that depends on the method. The same object for the same limits. */
export function createTimeLimits(timeouts: TimeoutOptions): (call: Call) => TimeLimits {
  const usual = limitsOf(timeouts, {})
  const special = new Map(
    Object.entries(timeouts.methods).map(([method, own]) => [method, limitsOf(timeouts, own)]),
  )
  if (special.size === 0) return () => usual
  return ({ body, arrival }) => {
    if (body === undefined) return usual
    const reading = readMessages(body, arrival.head.passed)
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

/**
 * Ends a call whose time is over: with a failure before the head of its answer, by breaking the connection after it. Streams that only listen have another end.
 *
 * @param tickMs since it was looked at before
 */
export function enforceLimits(call: Call, tickMs: number, refusals: Pick<Refusals, 'fail'>): void {
  const { attempt, limits, sentAt } = call
  if (!limits || call.isListening) return
  const isTooOld = performance.now() - sentAt > limits.totalMs
  if (!isTooOld && !attempt?.isIdleFor(limits.idleMs, tickMs)) return
  attempt?.expire()
  const reason = isTooOld ? 'the answer takes too long' : 'the answer has stopped coming'
  refusals.fail(call, 'backendTimeout', { reason })
}
