import type { Outcome } from './backend-observer.ts'
import type { Arrival, Call } from './call.ts'
import type { CallTrace } from './call-trace.ts'
import { type Failure, statusOf } from './failures.ts'

export function noteAnswered({ arrival, startedAt, sentAt }: Call): void {
  arrival.backend.observer?.answered(sentAt - startedAt, performance.now() - sentAt)
}

/** The backend's answer is through. */
export function noteFinished({ arrival }: Call): void {
  const { statusCode } = arrival.res
  noteEnded(arrival, statusCode < 400 ? 'ok' : statusCode < 500 ? 'clientError' : 'serverError')
}

export function noteEnded(arrival: Arrival, outcome: Outcome): void {
  const { backend, head, req } = arrival
  if (arrival.trace) endTrace(arrival, arrival.trace, outcome)
  if (!backend.observer) return
  backend.observer.ended(head.mcpMethod ?? req.method ?? '', toolOf(arrival), outcome)
}

function endTrace({ res }: Arrival, trace: CallTrace, outcome: Outcome): void {
  const status = outcome === 'abandoned' ? undefined : statusOfOutcome(outcome, res.statusCode)
  trace.end(status, status !== undefined && status >= 500 ? outcome : undefined)
}

function statusOfOutcome(outcome: Exclude<Outcome, 'abandoned'>, answered: number): number {
  switch (outcome) {
    case 'ok':
    case 'clientError':
    case 'serverError':
      return answered
    default:
      return statusOf(outcome)
  }
}

/** Says nothing of failures that are no decision of a policy. */
export function noteForbidden({ arrival, claims }: Call, failure: Failure, reason: string): void {
  if (failure !== 'insufficientScope' && failure !== 'forbidden') return
  const { backend, correlationId } = arrival
  backend.observer?.forbade({ claims, correlationId, tool: toolOf(arrival), reason })
}

/** @param reason the same for the same limit */
export function noteLimited(arrival: Arrival, claims: Call['claims'], reason: string): void {
  const { backend, correlationId } = arrival
  backend.observer?.limited({ claims, correlationId, tool: toolOf(arrival), reason })
}

function toolOf({ head, req }: Arrival): string | undefined {
  return head.mcpMethod === 'tools/call' ? nameOf(req.rawHeaders) : undefined
}

/** What `Mcp-Name` says, in a flat list of fields. */
function nameOf(rawHeaders: readonly string[]): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 8 && name.toLowerCase() === 'mcp-name') return rawHeaders[index + 1]
  }
  return undefined
}
