import type { Answer, ReceivedHead } from './answers/answer.ts'
import type { Report } from './balancing/health.ts'
import type { Instance } from './balancing/instance.ts'
import type { Member } from './balancing/member.ts'
import { verdictOn } from './balancing/verdict.ts'
import type { Call, Pending } from './call.ts'
import { type Exchange, type ExchangeFault, type ExchangeObserver, isOurs } from './exchange.ts'

/** What an attempt tells the one who made it. */
export type AttemptEvents = {
  /** Nothing of the request has left this process, so another instance may have it. */
  unsent(attempt: Attempt, fault: ExchangeFault, cause: Error): void
  /** The instance has refused the upstream token, so nothing was processed. @param rawFields of its answer */
  rejected(attempt: Attempt, rawFields: readonly string[]): void
  /** The instance answers; where to? */
  answered(attempt: Attempt, head: ReceivedHead): Answer
  /** The request may have been processed, and there is no whole answer. */
  lost(attempt: Attempt, fault: ExchangeFault, cause: Error): void
  finished(attempt: Attempt): void
}

/** One dispatch of a call to one instance. One object with shared methods, since it is made for every request. */
export class Attempt implements ExchangeObserver, Pending {
  readonly call: Call
  readonly member: Member<Instance>
  readonly #events: AttemptEvents
  #exchange: Exchange | undefined
  #answer: Answer | undefined
  #state: 'waiting' | 'answering' | 'over' = 'waiting'
  #isPaused = false
  /** For how long nothing has come of an answer that has begun. */
  #quietMs = 0

  constructor(call: Call, member: Member<Instance>, events: AttemptEvents) {
    this.call = call
    this.member = member
    this.#events = events
  }

  onStart(exchange: Exchange): void {
    this.#exchange = exchange
    if (this.#state === 'over') exchange.abort()
  }

  onHead(status: number, statusText: string | undefined, rawFields: readonly string[]): void {
    if (this.#state !== 'waiting') return
    this.#report(verdictOn(status, rawFields))
    if (status === 401) {
      // Nothing more of it is wanted; how long it is, and whether it ever ends, is the instance's business.
      this.#leave()
      this.#exchange?.abort()
      this.#events.rejected(this, rawFields)
      return
    }
    this.#state = 'answering'
    this.#answer = this.#events.answered(this, { status, statusText, rawFields })
  }

  onData(chunk: Buffer): void {
    this.#quietMs = 0
    if (this.#state !== 'answering' || this.#answer?.write(chunk) !== false) return
    if (this.#isPaused) return
    this.#isPaused = true
    this.#exchange?.pause()
    this.call.arrival.res.once('drain', () => {
      this.#isPaused = false
      this.#exchange?.resume()
    })
  }

  onEnd(): void {
    const wasAnswering = this.#state === 'answering'
    this.#leave()
    if (!wasAnswering) return
    this.#noteEnd(true)
    this.#answer?.end()
    this.#events.finished(this)
  }

  onFailure(fault: ExchangeFault, cause: Error): void {
    const state = this.#state
    this.#leave()
    if (state === 'over') return
    if (state === 'waiting' && !isOurs(fault)) {
      this.#report(this.#exchange ? 'failed' : 'unreachable')
    }
    if (state === 'answering') this.#noteEnd(false)
    this.#answer?.drop()
    if (this.#exchange) this.#events.lost(this, fault, cause)
    else this.#events.unsent(this, fault, cause)
  }

  abort(): void {
    if (this.#state === 'over') return
    this.#answer?.drop()
    this.#leave()
    this.#exchange?.abort()
  }

  expire(): void {
    if (this.#state === 'waiting') this.#report('failed')
    this.abort()
  }

  isIdleFor(limitMs: number, tickMs: number): boolean {
    // A client that does not keep up is not the instance's silence.
    if (this.#state !== 'answering' || this.#isPaused) this.#quietMs = 0
    else this.#quietMs += tickMs
    // Part of a tick may have gone by when the last piece came.
    return this.#quietMs >= limitMs + tickMs
  }

  /** Ends the answer in good order although the instance would go on. */
  finish(): void {
    if (this.#state !== 'answering') return
    this.#answer?.end()
    this.abort()
    this.#events.finished(this)
  }

  #report(report: Report): void {
    this.call.arrival.backend.balancer.report(this.member, report)
  }

  /** Streams that only listen are cut by many things that are no fault of an instance. */
  #noteEnd(isWhole: boolean): void {
    const { arrival, isListening } = this.call
    if (!isListening) arrival.backend.balancer.noteEnd(this.member, isWhole)
  }

  #leave(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.call.arrival.backend.balancer.release(this.member, this.call.load)
  }
}
