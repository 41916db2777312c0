import type { Logger } from '../observability/log.ts'
import type { FreshToken } from '../upstream/fresh-token.ts'
import type { Admission } from './admission.ts'
import type { Arrival, Call } from './call.ts'
import {
  type Failure,
  type FailureDetails,
  levelOf,
  renderFailure,
  sendFailure,
  statusOf,
} from './failures.ts'
import { noteEnded, noteForbidden } from './observer.ts'
import type { ProtectedResource } from './protected-resource.ts'
import { isVisitor, type RenderedPage, showPage } from './visitors.ts'

export type Why = {
  reason: string
  cause?: unknown
  retryAfterSeconds?: number
  /** In place of the failure's usual one. */
  challenge?: string
}

/** How a request ends without a backend's answer: one answer, and one line in the log. */
export type Refusals = {
  /** Before it was admitted. */
  refuse(arrival: Arrival, failure: Failure, why: Why): void
  refuseAdmission(arrival: Arrival, outcome: Exclude<Admission, { outcome: 'admitted' }>): void
  /** After it was admitted; ends the call. */
  fail(call: Call, failure: Failure, why: Why): void
  failToken(call: Call, token: Exclude<FreshToken, { outcome: 'usable' }>): void
}

const CHALLENGED = {
  unauthenticated: 'unauthenticated',
  invalidToken: 'invalidToken',
  ambiguousCredentials: 'ambiguousCredentials',
} as const
/** What passes by itself. A stream that listens stays long. */
const RETRY_SECONDS: Partial<Record<Failure, number>> = {
  overloaded: 1,
  subjectOverloaded: 1,
  tooManyStreams: 30,
}
// Long enough for a client to read our answer while it is still sending; then the connection is broken.
const LINGER_MS = 2000

/** @param renderConnect what to show to a person who opens an MCP endpoint in a browser */
export function createRefusals(
  logger: Logger,
  renderConnect?: (backend: ProtectedResource) => RenderedPage,
): Refusals {
  const refuse = (arrival: Arrival, failure: Failure, why: Why): void => {
    note(logger, arrival, failure, why)
    const { res, req, head, correlationId, crossOrigin, challenges } = arrival
    const retryAfterSeconds = why.retryAfterSeconds ?? RETRY_SECONDS[failure]
    const usual = isChallenged(failure) ? challenges[CHALLENGED[failure]] : undefined
    const challenge = why.challenge ?? usual
    // A client that was not told to continue may never send its body, so nothing can follow on this connection.
    const closes = failure === 'bodyTooLarge' || (head.expectsContinue && !req.complete)
    // By this the listener knows that what comes behind it is not answered any more.
    if (closes) res.shouldKeepAlive = false
    const details = { correlationId, crossOrigin, challenge, retryAfterSeconds, closes }
    const isStillSending = closes && !head.expectsContinue && !req.complete
    if (isStillSending) sendAndLinger(arrival, details)
    else sendFailure(res, failure, details)
  }

  const fail = (call: Call, failure: Failure, why: Why): void => {
    if (call.isOver) return
    call.end()
    refuse(call.arrival, failure, why)
    noteForbidden(call, failure, why.reason)
  }

  return {
    refuse,
    fail,
    refuseAdmission(arrival, outcome) {
      if (outcome.outcome === 'invalid-token') {
        return refuse(arrival, 'invalidToken', { reason: outcome.reason })
      }
      if (outcome.outcome === 'unavailable') {
        const { reason, retryAfterSeconds } = outcome
        return refuse(arrival, 'tokenUnavailable', { reason, retryAfterSeconds })
      }
      if (!renderConnect || !isVisitor(arrival.req)) {
        return refuse(arrival, 'unauthenticated', { reason: 'no bearer token' })
      }
      note(logger, arrival, 'unauthenticated', { reason: 'a browser, shown how to connect' })
      showPage(arrival, renderConnect(arrival.backend))
    },
    failToken(call, token) {
      if (token.outcome === 'gone') return fail(call, 'invalidToken', { reason: token.reason })
      if (token.outcome === 'rejected') {
        return fail(call, 'invalidToken', { reason: 'rejected by the backend' })
      }
      if (token.outcome === 'forbidden') return fail(call, 'forbidden', { reason: token.reason })
      const { reason, retryAfterSeconds } = token
      fail(call, 'tokenUnavailable', { reason, retryAfterSeconds })
    },
  }
}

function note(logger: Logger, arrival: Arrival, failure: Failure, { reason, cause }: Why): void {
  noteEnded(arrival, failure)
  const { correlationId, backend, req, res } = arrival
  const line = {
    ...{ correlationId, backend: backend.name, method: req.method },
    ...{ status: statusOf(failure), failure, reason },
    ...(res.headersSent && { isPartial: true }),
    ...(arrival.trace && { traceId: arrival.trace.traceId }),
    ...(cause !== undefined && { err: cause }),
  }
  logger[levelOf(failure)](line, 'request failed')
}

function isChallenged(failure: Failure): failure is keyof typeof CHALLENGED {
  return failure in CHALLENGED
}

/**
 * Answers a client that is still sending. Closing at once would reset the connection and could destroy the answer before it is read, so what still comes is thrown away for a
 * moment.
 */
function sendAndLinger({ req, res }: Arrival, details: FailureDetails): void {
  const [status, fields, body] = renderFailure('bodyTooLarge', details)
  res.writeHead(status, fields)
  res.write(body)
  const timer = setTimeout(() => res.end(), LINGER_MS)
  const finish = (): void => {
    clearTimeout(timer)
    res.end()
  }
  req.once('end', finish)
  req.once('close', finish)
  req.resume()
}
