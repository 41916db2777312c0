import type { FreshToken } from '../upstream/fresh-token.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import { holdBody } from './body.ts'
import { type Call, LISTEN } from './call.ts'
import { type CallLimits, describeExcess } from './call-limits.ts'
import { runTraced } from './call-trace.ts'
import { abandon } from './connections.ts'
import { enforce } from './enforcement.ts'
import { equip } from './equipment.ts'
import { readMessages } from './message.ts'
import { noteLimited } from './observer.ts'
import type { Refusals } from './refusals.ts'

export type PassageOptions = {
  tokens: UpstreamTokenSource
  forward: (call: Call) => void
  refusals: Refusals
  /** Bytes. */
  bodyLimit: number
  callLimits?: CallLimits
}

/**
 * Takes an admitted call, once its body is there, past the limits and the backend's policy, gives it its upstream token, and forwards it. On the usual way nothing here waits but
 * for the body.
 */
export function pass(call: Call, options: PassageOptions): void {
  if (call.arrival.head.hasBody) hold(call, options)
  else proceed(call, options)
}

function hold(call: Call, options: PassageOptions): void {
  const { bodyLimit, refusals } = options
  const { req, res, head } = call.arrival
  if (head.expectsContinue) res.writeContinue()
  holdBody(req, bodyLimit, held => {
    if (call.isOver) return
    if (held.outcome === 'too-large') {
      refusals.fail(call, 'bodyTooLarge', { reason: 'sent' })
      return
    }
    call.body = held.body
    proceed(call, options)
  })
}

/** Whatever goes wrong in here ends the call, and nothing else. */
function proceed(call: Call, options: PassageOptions): void {
  const { tokens, refusals } = options
  const fail = (cause: unknown) => refusals.fail(call, 'unexpected', { reason: 'proxy', cause })
  try {
    if (!passes(call, options)) return
    const token = tokens.peek(call.claims.grantId)
    if (token) send(call, token, options)
    else fetchToken(call, options).catch(fail)
  } catch (cause) {
    fail(cause)
  }
}

/** @returns whether the call goes on, by what it asks for; it has been refused otherwise */
function passes(call: Call, { callLimits, refusals }: PassageOptions): boolean {
  const { claims, body } = call
  const { head, backend } = call.arrival
  if (call.isListening && body && !holdsToListening(call, body, refusals)) return false
  const excess = callLimits?.takeTools(claims, backend.name, { body, fields: head.passed })
  if (excess) {
    const why = describeExcess(excess)
    noteLimited(call.arrival, claims, why.reason)
    refusals.fail(call, 'rateLimited', why)
    return false
  }
  return !backend.policy || enforce(call, backend.policy, refusals)
}

async function fetchToken(call: Call, options: PassageOptions): Promise<void> {
  const { claims, arrival } = call
  const token = await runTraced(call, () =>
    options.tokens.resolve(claims.grantId, arrival.correlationId),
  )
  if (!call.isOver) send(call, token, options)
}

function send(call: Call, token: FreshToken, { forward, refusals }: PassageOptions): void {
  // What came behind the request has broken the connection in this very turn.
  if (call.arrival.req.socket.destroyed) abandon(call)
  else if (token.outcome !== 'usable') refusals.failToken(call, token)
  else if (equip(call, token, refusals)) forward(call)
}

/**
 * What says in its fields that it only listens is spared the limits of time that calls have, and may be ended at any moment; a call that says so is refused.
 *
 * @returns whether the call goes on
 */
function holdsToListening(call: Call, body: Buffer, { fail }: Pick<Refusals, 'fail'>): boolean {
  const { req, head } = call.arrival
  if (req.method === 'GET') return true
  const reading = readMessages(body, head.passed)
  const isTrue = reading.outcome === 'read' && reading.asks.every(({ method }) => method === LISTEN)
  if (!isTrue) fail(call, 'headerMismatch', { reason: 'a call that says that it only listens' })
  return isTrue
}
