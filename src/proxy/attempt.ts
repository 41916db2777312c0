import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Answer, AnswerHead } from './answer.ts'
import type { Instance } from './backends.ts'
import type { Member } from './balancer.ts'
import type { Call } from './call.ts'

/** What an attempt tells the one who made it. */
export type AttemptEvents = {
  /** Nothing of the request has left this process, so another instance may have it. */
  unsent(attempt: Attempt, error: Error): void
  /** The instance has refused the upstream token, so nothing was processed. */
  rejected(attempt: Attempt): void
  /** The instance answers; where to? */
  answered(attempt: Attempt, head: Omit<AnswerHead, 'fields'>): Answer
  /** The request may have been processed, and there is no whole answer. */
  lost(attempt: Attempt, error: Error): void
  finished(attempt: Attempt): void
}

const ABORTED = new Error('nobody waits for this answer any more')

/**
 * One dispatch of a call to one instance, as the handler that undici drives. One object with shared methods, since it is made for every request.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly call: Call
  readonly member: Member<Instance>
  readonly #events: AttemptEvents
  #controller: Dispatcher.DispatchController | undefined
  #answer: Answer | undefined
  #state: 'waiting' | 'answering' | 'over' = 'waiting'

  constructor(call: Call, member: Member<Instance>, events: AttemptEvents) {
    this.call = call
    this.member = member
    this.#events = events
  }

  /** undici calls this right before the request's first byte. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#state === 'over') controller.abort(ABORTED)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    received: IncomingHttpHeaders,
    statusText?: string,
  ): void {
    if (status < 200 || this.#state !== 'waiting') return
    this.#report(status < 500 ? 'answered' : 'failed')
    if (status === 401) {
      // Nothing more of it is wanted; how long it is, and whether it ever ends, is the instance's business.
      this.#leave()
      controller.abort(ABORTED)
      this.#events.rejected(this)
      return
    }
    this.#state = 'answering'
    this.#answer = this.#events.answered(this, {
      status,
      statusText: statusText || undefined,
      received,
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state !== 'answering' || this.#answer?.write(chunk) !== false) return
    controller.pause()
    this.call.arrival.res.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    const wasAnswering = this.#state === 'answering'
    this.#leave()
    if (!wasAnswering) return
    this.#answer?.end()
    this.#events.finished(this)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const { isSent } = this
    const state = this.#state
    this.#leave()
    if (state === 'over') return
    if (state === 'waiting') this.#report('failed')
    this.#answer?.drop()
    if (isSent) this.#events.lost(this, error)
    else this.#events.unsent(this, error)
  }

  /** Whether any byte of the request may have reached the instance. */
  get isSent(): boolean {
    return this.#controller !== undefined
  }

  /** Cancels it; no event follows. */
  abort(): void {
    if (this.#state === 'over') return
    this.#answer?.drop()
    this.#leave()
    this.#controller?.abort(ABORTED)
  }

  /** Ends the answer in good order although the instance would go on. */
  finish(): void {
    if (this.#state !== 'answering') return
    this.#answer?.end()
    this.abort()
    this.#events.finished(this)
  }

  #report(outcome: 'answered' | 'failed'): void {
    this.call.arrival.backend.balancer.report(this.member, outcome)
  }

  #leave(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.call.arrival.backend.balancer.release(this.member)
  }
}
