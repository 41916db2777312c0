import type { Answer, AnswerHead } from '../answers/answer.ts'
import type { Companion } from '../companion.ts'
import type { Entry } from './entries.ts'
import type { Flight } from './flight.ts'
import { readListAnswer } from './list-answer.ts'
import { isKeepable, RecordingAnswer } from './recording.ts'

export type LeaderOptions = {
  flight: Flight
  /** The text of the request's JSON-RPC id. */
  id: string
  /** When it goes to the backend; milliseconds of the cache's clock. */
  askedAt: number
  keep: (entry: Entry) => void
  /** The answer must not be given again. */
  onUnkept: () => void
  /** What may be given in the place of a backend that fails. */
  findStale: () => Entry | undefined
  /** Sends that to the client. */
  sendStale: (entry: Entry) => void
  /** Ends a call that was answered before its backend was through with it. */
  finish: () => void
  onEnd: (isRescued: boolean) => void
}

/** Goes with a call for a list to its backend, and brings back what may be kept. */
export class Leader implements Companion {
  readonly #options: LeaderOptions
  #isRescued = false

  constructor(options: LeaderOptions) {
    this.#options = options
  }

  answered(head: AnswerHead, open: () => Answer): Answer {
    if (head.status >= 500) return this.#replace() ?? open()
    if (!isKeepable(head)) {
      this.#pass()
      return open()
    }
    return new RecordingAnswer(open(), head, message => this.#read(message))
  }

  rescue(): boolean {
    const { findStale, finish, flight } = this.#options
    const stale = findStale()
    flight.land({ outcome: 'failed' })
    if (!stale) return false
    this.#send(stale)
    finish()
    return true
  }

  ended(): void {
    const { flight, onEnd } = this.#options
    onEnd(this.#isRescued)
    flight.land({ outcome: 'left' })
  }

  /** In the place of a backend's failure; its own words are read to their end and dropped. */
  #replace(): Answer | undefined {
    const { findStale, flight } = this.#options
    const stale = findStale()
    flight.land({ outcome: 'failed' })
    return stale && { write: () => true, end: () => this.#send(stale), drop: () => {} }
  }

  #read(message: string | undefined): void {
    const { id, askedAt, keep, flight } = this.#options
    const answer = message === undefined ? undefined : readListAnswer(message, id)
    if (!answer) {
      this.#pass()
      return
    }
    const entry = { ...answer, askedAt }
    keep(entry)
    flight.land({ outcome: 'kept', entry })
  }

  #pass(): void {
    this.#options.onUnkept()
    this.#options.flight.land({ outcome: 'unkept' })
  }

  #send(stale: Entry): void {
    this.#isRescued = true
    this.#options.sendStale(stale)
  }
}
