import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { Finding } from './balancing/health.ts'
import type { Failure } from './failures.ts'

/**
 * How a request ended: with the backend's answer (`ok`, or an error by its status), with the client gone, or with a failure of the proxy's own.
 */
export type Outcome = 'ok' | 'clientError' | 'serverError' | 'abandoned' | Failure

/**
 * Why a call that an instance may have seen goes to one once more.
 *
 * - `lost`: the connection broke.
 * - `late`: no head of an answer came in time.
 * - `unavailable`: the instance said that it, or what is behind it, is out of order.
 */
export type RepeatReason = 'lost' | 'late' | 'unavailable'

/** Learns of the requests to one backend. Stands on the hot path: it may neither throw nor wait. */
export type BackendObserver = {
  /** The head of the backend's answer has come. Milliseconds from admission to dispatch, and from there to here. */
  answered(gatewayMs: number, backendMs: number): void
  /** The request is over; said once for each. */
  ended(method: string, tool: string | undefined, outcome: Outcome): void
  /** A call went wrong that may go out once more. @param isGranted whether the budget let it */
  repeated(reason: RepeatReason, isGranted: boolean): void
  instanceChanged(change: 'ejected' | 'returned'): void
  probed(finding: Finding): void
  /** The backend's policy has refused a call. */
  forbade(refused: RefusedCall): void
  /** A caller is beyond a limit that is its own. */
  limited(refused: RefusedCall): void
}

export type RefusedCall = {
  claims: AccessTokenClaims
  correlationId: string
  /** Where the request names one in a header field. */
  tool: string | undefined
  reason: string
}
