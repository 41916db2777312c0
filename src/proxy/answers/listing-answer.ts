/** Answers that a policy leaves something out of. Their bytes are read, which those of no other answer are. */
import { type Answer, type AnswerHead, isEventStream } from './answer.ts'
import { withLength } from './response-fields.ts'
import { concealTools } from './tool-list.ts'

export type ListingOptions = {
  conceals: (tool: string) => boolean
  /** Where the answer goes once its head is known. */
  open: (head: AnswerHead) => Answer
  /** Instead of an answer that cannot be read, so that nothing slips through. */
  refuse: (reason: string) => void
}

const MAX_BYTES = 32 * 1024 * 1024
const BLANK_LINE = /(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)/g
const LONGEST_PART_OF_END = 3
const LINE_END = /\r\n|\n|\r/

/** What an answer with lists of tools in it goes through on its way to the client. */
export function openListing(head: AnswerHead, options: ListingOptions): Answer {
  if (head.fields.isEncoded) {
    return new RefusedAnswer(options, 'compressed, although that was not accepted')
  }
  if (isEventStream(head.fields)) return new EventStreamListing(head, options)
  return isJson(head) ? new JsonListing(head, options) : options.open(head)
}

/** A whole JSON answer, held until it is complete. */
class JsonListing implements Answer {
  readonly #head: AnswerHead
  readonly #options: ListingOptions
  readonly #chunks: Buffer[] = []
  #size = 0

  constructor(head: AnswerHead, options: ListingOptions) {
    this.#head = head
    this.#options = options
  }

  write(chunk: Buffer): boolean {
    this.#size += chunk.byteLength
    if (this.#size > MAX_BYTES) this.#options.refuse('too large to be read')
    else this.#chunks.push(Buffer.from(chunk))
    return true
  }

  end(): void {
    const { conceals, open, refuse } = this.#options
    const whole = Buffer.concat(this.#chunks)
    const text = whole.toString()
    const shown = text === '' ? text : concealTools(text, conceals)
    if (shown === undefined) {
      refuse('not JSON')
      return
    }
    const body = shown === text ? whole : Buffer.from(shown)
    const answer = open(relength(this.#head, body.byteLength))
    answer.write(body)
    answer.end()
  }

  drop(): void {}
}

/** An event stream, of which each event is held until it is complete. */
class EventStreamListing implements Answer {
  readonly #answer: Answer
  readonly #options: ListingOptions
  #pending = ''
  /** How much of it holds no end of an event. */
  #searched = 0

  constructor(head: AnswerHead, options: ListingOptions) {
    this.#options = options
    this.#answer = options.open(relength(head, undefined))
  }

  write(chunk: Buffer): boolean {
    // One character a byte, so that events are found without taking letters apart.
    this.#pending += chunk.toString('latin1')
    if (this.#pending.length > MAX_BYTES) {
      this.#options.refuse('an event too large to be read')
      return true
    }
    const events = this.#take()
    return events === '' ? true : this.#answer.write(Buffer.from(events, 'latin1'))
  }

  end(): void {
    if (this.#pending !== '') {
      this.#answer.write(Buffer.from(this.#show(this.#pending), 'latin1'))
    }
    this.#answer.end()
  }

  drop(): void {
    this.#answer.drop()
  }

  #take(): string {
    let taken = ''
    for (let end = this.#findEnd(); end !== undefined; end = this.#findEnd()) {
      taken += this.#show(this.#pending.slice(0, end))
      this.#pending = this.#pending.slice(end)
    }
    return taken
  }

  #findEnd(): number | undefined {
    BLANK_LINE.lastIndex = this.#searched
    const isFound = BLANK_LINE.test(this.#pending)
    this.#searched = isFound ? 0 : Math.max(0, this.#pending.length - LONGEST_PART_OF_END)
    return isFound ? BLANK_LINE.lastIndex : undefined
  }

  #show(event: string): string {
    return showEvent(event, this.#options.conceals)
  }
}

/** @see WHATWG HTML section 9.2.6 (event stream interpretation) */
function showEvent(event: string, conceals: (tool: string) => boolean): string {
  const lines = event.split(LINE_END)
  const data = lines.filter(isData).map(line => line.slice(line[5] === ' ' ? 6 : 5))
  const text = Buffer.from(data.join('\n'), 'latin1').toString()
  const shown = concealTools(text, conceals)
  if (shown === undefined || shown === text) return event
  const first = lines.findIndex(isData)
  const written = shown.split('\n').map(line => `data: ${Buffer.from(line).toString('latin1')}`)
  return [
    ...lines.slice(0, first),
    ...written,
    ...lines.slice(first).filter(line => !isData(line)),
  ].join('\n')
}

function isData(line: string): boolean {
  return line.startsWith('data:')
}

/** In place of an answer that must not pass. */
class RefusedAnswer implements Answer {
  readonly #options: ListingOptions
  readonly #reason: string

  constructor(options: ListingOptions, reason: string) {
    this.#options = options
    this.#reason = reason
  }

  write(): boolean {
    return true
  }

  end(): void {
    this.#options.refuse(this.#reason)
  }

  drop(): void {}
}

function isJson({ fields }: AnswerHead): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(fields.contentType ?? '')
}

function relength(head: AnswerHead, bytes: number | undefined): AnswerHead {
  return { ...head, fields: withLength(head.fields, bytes) }
}
