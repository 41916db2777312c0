import type { RepeatReason } from './backend-observer.ts'
import type { Call } from './call.ts'
import type { ExchangeFault } from './exchange.ts'
import { readMessages } from './message.ts'

/** What only reads, so that doing it twice does no harm. */
const SAFE: ReadonlySet<string> = new Set([
  ...['initialize', 'ping', 'server/discover', 'completion/complete'],
  ...['tools/list', 'prompts/list', 'prompts/get'],
  ...['resources/list', 'resources/templates/list', 'resources/read'],
  ...['tasks/get', 'tasks/list', 'subscriptions/listen'],
])
const UNAVAILABLE: ReadonlySet<number> = new Set([502, 503, 504])
const OPENING_BRACE = 0x7b
const SPACE = 0x20

/** @see RFC 9110 sections 15.6.3 to 15.6.5 */
export function isUnavailable(status: number): boolean {
  return UNAVAILABLE.has(status)
}

export function reasonOf(fault: ExchangeFault): RepeatReason {
  return fault === 'late' ? 'late' : 'lost'
}

/**
 * Whether a call may go out once more although an instance may have acted on it. It is the body that says what it asks for, never a header field: a `tools/call` is not repeated
 * whatever its client calls it.
 *
 * @see RFC 9110 section 9.2.2
 */
function isSafe({ arrival, body }: Call): boolean {
  const { req, head } = arrival
  // Something behind it may take a body, and a field beside it, for another method.
  if (req.method === 'GET') return body === undefined
  if (req.method !== 'POST' || body === undefined || !isSingle(body)) return false
  const coding = req.headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') return false
  const reading = readMessages(body, head.passed)
  if (reading.outcome !== 'read') return false
  const [ask] = reading.asks
  return ask !== undefined && SAFE.has(ask.method)
}

/** Not several messages in one. */
function isSingle(body: Buffer): boolean {
  return body.find(byte => byte > SPACE) === OPENING_BRACE
}

/**
 * Whether a call that went wrong for `reason` is sent once more; counted on its backend's budget if so, and told to the backend's observer either way.
 *
 * It wants another instance, but for a broken connection, which says little of the instance: an idle one may just have been closed.
 */
export function claimRepeat(call: Call, reason: RepeatReason): boolean {
  const { backend, res } = call.arrival
  if (call.wasRepeated || call.isOver || res.headersSent) return false
  const hasAnother = backend.balancer.members.some(member => !call.tried.includes(member))
  if (!hasAnother && reason !== 'lost') return false
  if (!isSafe(call)) return false
  const isGranted = backend.repeats.take()
  backend.observer?.repeated(reason, isGranted)
  if (!isGranted) return false
  call.wasRepeated = true
  if (!hasAnother) call.tried.length = 0
  return true
}
