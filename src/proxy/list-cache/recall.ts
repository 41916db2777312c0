import { LRUCache } from 'lru-cache'
import type { WatchCache } from '../../observability/caches.ts'
import type { Call } from '../call.ts'
import { askForPlain } from '../headers.ts'
import type { Changes } from './changes.ts'
import { type Entries, type Entry, isFresh } from './entries.ts'
import { Flight, type Inquiry, type Landing } from './flight.ts'
import { sendList } from './give.ts'
import { Leader } from './leader.ts'
import { listOf } from './methods.ts'
import type { ListAnswered, ListObserver } from './observer.ts'

export type RecallOptions = {
  entries: Entries
  changes: Pick<Changes, 'epochOf'>
  observers: ReadonlyMap<string, ListObserver>
  /** Milliseconds. */
  clock: () => number
  /** To the backend. */
  send: (call: Call) => void
  /** How long requests wait for one that is under way before they go to the backend themselves. */
  waitMs: number
  /** Ends a call whose answer is sent. */
  finish: (call: Call) => void
  watchCache?: WatchCache | undefined
}

/** For how long it is remembered that a question cannot be asked for all at once. */
const HINT_MS = 10_000
const HINTS_AT_MOST = 4096

/** Answers inquiries: from what is kept, with what is on its way, or by sending them to their backend. */
export class Recall {
  readonly #options: RecallOptions
  /** By question, or by question and owner where the answer is known to be private. */
  readonly #flights = new Map<string, Flight>()
  readonly #hints = new LRUCache<string, 'private' | 'unkept'>({ max: HINTS_AT_MOST, ttl: HINT_MS })

  constructor(options: RecallOptions) {
    this.#options = options
    options.watchCache?.('list_hints', () => this.#hints.size)
  }

  ask(inquiry: Inquiry): void {
    const { entries, clock } = this.#options
    const question = this.#questionOf(inquiry)
    const entry = entries.find(question, inquiry.owner)
    if (entry && isFresh(entry, clock())) this.#give(inquiry, entry, 'hit')
    else this.#joinOrLead(inquiry, question)
  }

  #joinOrLead(inquiry: Inquiry, question: string): void {
    const hint = this.#hints.get(question)
    if (hint === 'unkept') {
      this.#lead(inquiry, question)
      return
    }
    const key = hint === 'private' ? `${question} ${inquiry.owner}` : question
    const flight = this.#flights.get(key)
    if (flight) flight.join(inquiry)
    else this.#lead(inquiry, question, key)
  }

  /** @param key under which others may wait for it; nobody can without one */
  #lead(inquiry: Inquiry, question: string, key?: string): void {
    const { call, owner } = inquiry
    const flight = new Flight(this.#options.waitMs, (landing, waiting) => {
      if (key !== undefined && this.#flights.get(key) === flight) this.#flights.delete(key)
      for (const one of waiting) this.#resume(one, landing, owner)
    })
    if (key !== undefined) this.#flights.set(key, flight)
    call.companion = this.#createLeader(inquiry, question, flight)
    askForPlain(call.arrival.head)
    this.#options.send(call)
  }

  #createLeader(inquiry: Inquiry, question: string, flight: Flight): Leader {
    const { entries, clock, finish } = this.#options
    const { call, id, owner } = inquiry
    return new Leader({
      ...{ flight, id, askedAt: clock() },
      keep: entry => {
        entries.keep(question, owner, entry)
        if (entry.scope === 'private') this.#hints.set(question, 'private')
        else this.#hints.delete(question)
      },
      onUnkept: () => this.#hints.set(question, 'unkept'),
      findStale: () => (call.arrival.res.headersSent ? undefined : entries.find(question, owner)),
      sendStale: entry => {
        this.#note(inquiry, 'stale')
        sendList(call, entry, id, clock())
      },
      finish: () => finish(call),
      onEnd: isRescued => !isRescued && this.#note(inquiry, 'miss'),
    })
  }

  /** Goes on with an inquiry that has waited for what `owner` asked. */
  #resume(inquiry: Inquiry, landing: Landing, owner: string): void {
    const question = this.#questionOf(inquiry)
    switch (landing.outcome) {
      case 'left':
        this.ask(inquiry)
        return
      case 'kept':
        if (landing.entry.scope === 'public' || inquiry.owner === owner) {
          this.#give(inquiry, landing.entry, 'coalesced')
        } else this.ask(inquiry)
        return
      case 'failed': {
        const stale = this.#options.entries.find(question, inquiry.owner)
        if (stale) this.#give(inquiry, stale, 'stale')
        else this.#lead(inquiry, question)
        return
      }
      default:
        this.#lead(inquiry, question)
    }
  }

  #give(inquiry: Inquiry, entry: Entry, how: 'hit' | 'coalesced' | 'stale'): void {
    const { clock, finish } = this.#options
    this.#note(inquiry, how)
    sendList(inquiry.call, entry, inquiry.id, clock())
    finish(inquiry.call)
  }

  /** What it asks of the lists as they are now: what has changed since is never an answer to it. */
  #questionOf({ call, question }: Inquiry): string {
    const { backend, head } = call.arrival
    const list = listOf(head.mcpMethod ?? '') ?? 'server'
    return `${this.#options.changes.epochOf(backend.name, list)} ${question}`
  }

  #note({ call }: Inquiry, how: ListAnswered): void {
    this.#options.observers.get(call.arrival.backend.name)?.listAnswered(how)
  }
}
