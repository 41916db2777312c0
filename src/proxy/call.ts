import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { Backend } from './backends.ts'
import type { Instance } from './balancing/instance.ts'
import type { Load, Member } from './balancing/member.ts'
import type { CallTrace } from './call-trace.ts'
import type { Companion } from './companion.ts'
import type { RequestHead } from './headers.ts'
import type { Challenges } from './protected-resource.ts'
import type { Share } from './shares.ts'
import type { TimeLimits } from './time-limits.ts'

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
  /** Says how long the connection may rest, flat; nothing where it ends with the answer. */
  keepAlive: readonly string[]
  /** Where there are traces. */
  trace?: CallTrace
}

/** The request that is answered with notifications. @see MCP 2026-07-28, "Subscriptions" */
export const LISTEN = 'subscriptions/listen'

/** What a request is, by what its client says of it: nobody has read its body yet. */
export function loadOf({ req, head }: Pick<Arrival, 'req' | 'head'>): Load {
  return req.method === 'GET' || head.mcpMethod === LISTEN ? 'streams' : 'calls'
}

/** The attempt that a call is waiting for. */
export type Pending = {
  /** Cancels it; no event follows. */
  abort(): void
  /** Cancels it because it took too long, which is the instance's fault while there was no answer at all. */
  expire(): void
  /** Whether an answer that has begun has brought nothing for longer than `limitMs`. @param tickMs since this was asked before */
  isIdleFor(limitMs: number, tickMs: number): boolean
}

/** One admitted request on its way to a backend and back. */
export class Call {
  readonly arrival: Arrival
  readonly claims: AccessTokenClaims
  readonly load: Load
  /** What is under way for whom it is. */
  readonly share: Share
  /** The calls of its client's connection, itself among them. */
  neighbours: Call[] = []
  /** To be called exactly once, when it is over; `end` sees to that. */
  readonly #release: (call: Call) => void
  #isOver = false
  /** Milliseconds of the monotonic clock: when it was admitted, and when it was first sent. */
  readonly startedAt = performance.now()
  sentAt = 0
  body: Buffer | undefined
  /** What the backend gets with the present attempt, if anything. */
  accessToken: string | undefined
  /** Which state of its grant that came from. */
  grantVersion = 0
  /** Whether a backend has refused a token already, so that the next refusal is final. */
  wasRejected = false
  /** Whether it has gone out once more after something went wrong. */
  wasRepeated = false
  readonly tried: Member<Instance>[] = []
  attempt: Pending | undefined
  /** Known once it is sent. */
  limits: TimeLimits | undefined
  /** It says that it listens, but what it gets is no stream of events. */
  isAnsweredOnce = false
  /** Which tools its answer must not show; set by a policy. */
  conceals: ((tool: string) => boolean) | undefined
  companion: Companion | undefined

  constructor(
    arrival: Arrival,
    claims: AccessTokenClaims,
    share: Share,
    release: (call: Call) => void,
  ) {
    this.arrival = arrival
    this.claims = claims
    this.share = share
    this.load = loadOf(arrival)
    this.#release = release
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether its answer may end whenever the gateway does: notifications, not the result of a call. */
  get isListening(): boolean {
    return this.load === 'streams'
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.attempt = undefined
    this.#release(this)
    this.companion?.ended()
  }
}
