import type { Call } from '../call.ts'
import type { Companion } from '../companion.ts'
import type { Entry } from './entries.ts'

/** One call for a list. */
export type Inquiry = {
  call: Call
  /** The text of its JSON-RPC id. */
  id: string
  /** What it asks, but for the state of the lists. */
  question: string
  /** Who may have what is private: a grant, in the state that the backend is shown. */
  owner: string
}

/**
 * How a request that others wait for ended.
 *
 * - `kept`: with an answer that may be given again, to whom its scope says.
 * - `unkept`: with one that may not.
 * - `failed`: with none, for which the backend is to blame.
 * - `left`: its own client has gone, or had no token that the backend takes.
 * - `slow`: not yet.
 */
export type Landing =
  | { outcome: 'kept'; entry: Entry }
  | { outcome: 'unkept' | 'failed' | 'left' | 'slow' }

/** A request that is under way, and those who wait for what comes of it. */
export class Flight {
  readonly #waiting = new Set<Inquiry>()
  readonly #waitMs: number
  readonly #onLanding: (landing: Landing, waiting: readonly Inquiry[]) => void
  #timer: NodeJS.Timeout | undefined
  #hasLanded = false

  /**
   * @param waitMs how long others wait
   * @param onLanding is told once, together with who still waits
   */
  constructor(waitMs: number, onLanding: (landing: Landing, waiting: readonly Inquiry[]) => void) {
    this.#waitMs = waitMs
    this.#onLanding = onLanding
  }

  join(inquiry: Inquiry): void {
    this.#waiting.add(inquiry)
    inquiry.call.companion = leavingOnEnd(() => this.#waiting.delete(inquiry))
    this.#timer ??= setTimeout(() => this.land({ outcome: 'slow' }), this.#waitMs)
  }

  land(landing: Landing): void {
    if (this.#hasLanded) return
    this.#hasLanded = true
    clearTimeout(this.#timer)
    const waiting = [...this.#waiting]
    for (const { call } of waiting) call.companion = undefined
    this.#onLanding(landing, waiting)
  }
}

/** Of a call that waits: it has not been sent, so only its client can end it. */
function leavingOnEnd(leave: () => void): Companion {
  return { answered: (_head, open) => open(), rescue: () => false, ended: leave }
}
