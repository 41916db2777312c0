import type { Call } from './call.ts'
import type { Refusals } from './refusals.ts'

/**
 * Ends a call whose time is over: with a failure before the head of its answer, by breaking the connection after it. Streams that only listen have another end.
 *
 * @param tickMs since it was looked at before
 */
export function enforceLimits(call: Call, tickMs: number, refusals: Pick<Refusals, 'fail'>): void {
  const { attempt, limits, sentAt } = call
  if (!limits || (call.isListening && !call.isAnsweredOnce)) return
  const isTooOld = performance.now() - sentAt > limits.totalMs
  if (!isTooOld && !attempt?.isIdleFor(limits.idleMs, tickMs)) return
  attempt?.expire()
  const reason = isTooOld ? 'the answer takes too long' : 'the answer has stopped coming'
  refusals.fail(call, 'backendTimeout', { reason })
}
