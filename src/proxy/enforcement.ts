import type { Call } from './call.ts'
import { askForPlain } from './headers.ts'
import { readMessages } from './message.ts'
import { concealmentOf, judgeAsks, type Limit, type Policy, type Refusal } from './policy.ts'
import type { Refusals } from './refusals.ts'

/**
 * Holds a call, with its body, against the policy of its backend, and refuses it where it must.
 *
 * Bodies are read only for callers from whom something is kept.
 *
 * @returns whether the call goes on
 */
export function enforce(call: Call, policy: Policy, refusals: Pick<Refusals, 'fail'>): boolean {
  const { claims, body } = call
  const { refusal, limits } = policy.standingOf(claims)
  if (refusal) return refuse(call, refusal, refusals)
  if (limits.length === 0) return true
  const replays = call.arrival.req.headers['last-event-id'] !== undefined
  if (replays) conceal(call, limits)
  return body === undefined || enforceOnBody(call, body, limits, refusals)
}

function enforceOnBody(
  call: Call,
  body: Buffer,
  limits: readonly Limit[],
  refusals: Pick<Refusals, 'fail'>,
): boolean {
  const { head, req } = call.arrival
  const coding = req.headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') {
    refusals.fail(call, 'unreadable', { reason: 'the body is encoded' })
    return false
  }
  const reading = readMessages(body, head.passed)
  if (reading.outcome !== 'read') {
    const failure = reading.outcome === 'mismatch' ? 'headerMismatch' : 'unreadable'
    refusals.fail(call, failure, { reason: reading.reason })
    return false
  }
  const refusal = judgeAsks(limits, reading.asks)
  if (refusal) return refuse(call, refusal, refusals)
  if (reading.asks.some(({ method }) => method === 'tools/list')) conceal(call, limits)
  return true
}

/** @see RFC 6750 section 3.1, MCP authorization "Scope Challenge Handling" */
function refuse(call: Call, refusal: Refusal, { fail }: Pick<Refusals, 'fail'>): false {
  if (refusal.outcome === 'forbidden') {
    fail(call, 'forbidden', { reason: refusal.reason })
    return false
  }
  const { missing } = refusal
  // What was granted is named too: some clients ask for exactly what they are told, and would lose it.
  const challenge = call.arrival.challenges.insufficientScope([...call.claims.scope, ...missing])
  fail(call, 'insufficientScope', { reason: `needs ${missing.join(' ')}`, challenge })
  return false
}

function conceal(call: Call, limits: readonly Limit[]): void {
  call.conceals = concealmentOf(limits)
  if (!call.conceals) return
  askForPlain(call.arrival.head)
}
