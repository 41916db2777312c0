import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { Attempt } from './attempt.ts'
import type { Backend, Instance } from './backends.ts'
import type { Member } from './balancer.ts'
import type { CallTrace } from './call-trace.ts'
import type { RequestHead } from './headers.ts'
import { noteEnded } from './observer.ts'
import type { Challenges } from './protected-resource.ts'

/** What the proxy knows about a request before anything is decided. */
export type Arrival = {
  req: IncomingMessage
  res: ServerResponse
  backend: Backend
  challenges: Challenges
  head: RequestHead
  /** The query with its question mark, or nothing. */
  search: string
  correlationId: string
  /** Fields for a browser, flat. */
  crossOrigin: readonly string[]
  /** Where there are traces. */
  trace?: CallTrace
}

/** One admitted request on its way to a backend and back. */
export class Call {
  readonly arrival: Arrival
  readonly claims: AccessTokenClaims
  /** To be called exactly once, when it is over; `end` sees to that. */
  readonly #release: (call: Call) => void
  #isOver = false
  /** Milliseconds of the monotonic clock: when it was admitted, and when it was first sent. */
  readonly startedAt = performance.now()
  sentAt = 0
  body: Buffer | undefined
  /** What the backend gets with the present attempt, if anything. */
  accessToken: string | undefined
  /** Whether a backend has refused a token already, so that the next refusal is final. */
  wasRejected = false
  readonly tried: Member<Instance>[] = []
  attempt: Attempt | undefined
  /** Which tools its answer must not show; set by a policy. */
  conceals: ((tool: string) => boolean) | undefined

  constructor(arrival: Arrival, claims: AccessTokenClaims, release: (call: Call) => void) {
    this.arrival = arrival
    this.claims = claims
    this.#release = release
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether its answer may end whenever the gateway does: notifications, not the result of a call. */
  get isListening(): boolean {
    const { req, head } = this.arrival
    return req.method === 'GET' || head.mcpMethod === 'subscriptions/listen'
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.attempt = undefined
    this.#release(this)
  }

  /** The client has left: whatever a backend is doing for it ends now. */
  abandon(): void {
    const { attempt } = this
    if (!this.#isOver) noteEnded(this.arrival, 'abandoned')
    this.end()
    attempt?.abort()
  }
}
