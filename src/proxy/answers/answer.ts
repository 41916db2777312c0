import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WriteCopy } from './blocks.ts'
import { EMPTY_TAIL, type EventStream, type EventStreams } from './event-streams.ts'
import type { ResponseFields } from './response-fields.ts'

/** Where a backend's answer goes. */
export type Answer = {
  /**
   * @param chunk good only during the call
   * @returns whether the client keeps up
   */
  write(chunk: Buffer): boolean
  end(): void
  /** It ends early, for whatever reason; nothing is sent. */
  drop(): void
}

/** The head of an answer as the backend sent it; the fields flat. */
export type ReceivedHead = {
  status: number
  statusText: string | undefined
  rawFields: readonly string[]
}

/** The head of an answer as the client gets it. */
export type AnswerHead = {
  status: number
  statusText: string | undefined
  fields: ResponseFields
}

/** What the answers of a process share. */
export type AnswerSurroundings = { streams: EventStreams; writeCopy: WriteCopy }

const SMALL_BYTES = 16_384

/** An answer of a small, known length is gathered and leaves in one write with its head; so while it is incomplete, a failure can still be told. */
export function isSmall({ contentLength }: ResponseFields): boolean {
  return contentLength !== undefined && contentLength < SMALL_BYTES
}

export function isEventStream({ contentType }: ResponseFields): boolean {
  return contentType !== undefined && /^text\/event-stream\b/i.test(contentType)
}

export class GatheredAnswer implements Answer {
  readonly #res: ServerResponse
  readonly #head: AnswerHead
  /** A latin1 string, which is the same bytes: Node joins strings with the head, and Buffers it writes as a second piece. */
  #body = ''

  constructor(res: ServerResponse, head: AnswerHead) {
    this.#res = res
    this.#head = head
  }

  write(chunk: Buffer): boolean {
    this.#body += chunk.toString('latin1')
    return true
  }

  end(): void {
    const { status, statusText, fields } = this.#head
    this.#res.writeHead(status, statusText, fields.passed)
    this.#res.end(this.#body, 'latin1')
  }

  drop(): void {}
}

export class StreamedAnswer implements Answer {
  readonly #res: ServerResponse
  readonly #writeCopy: WriteCopy

  constructor(res: ServerResponse, head: AnswerHead, writeCopy: WriteCopy) {
    this.#res = res
    this.#writeCopy = writeCopy
    sendHead(res, head)
  }

  write(chunk: Buffer): boolean {
    return this.#writeCopy(this.#res, chunk)
  }

  end(): void {
    this.#res.end()
  }

  drop(): void {}
}

/** Of an answer that is not wanted after all. */
export const NO_ANSWER: Answer = { write: () => true, end: () => {}, drop: () => {} }

export class EventStreamAnswer implements Answer {
  readonly #streams: EventStreams
  readonly #stream: EventStream
  readonly #writeCopy: WriteCopy

  constructor(
    res: ServerResponse,
    head: AnswerHead,
    { streams, writeCopy }: AnswerSurroundings,
    lifecycle: Omit<EventStream, 'res' | 'tail' | 'isQuiet' | 'isDue' | 'isSealed'>,
  ) {
    const { passed, hasCacheControl, contentLength, isEncoded } = head.fields
    passed.push('x-accel-buffering', 'no')
    if (!hasCacheControl) passed.push('cache-control', 'no-cache')
    const isSealed = contentLength !== undefined || isEncoded
    this.#streams = streams
    this.#writeCopy = writeCopy
    this.#stream = { res, tail: EMPTY_TAIL, isQuiet: false, isDue: false, isSealed, ...lifecycle }
    sendHead(res, head)
    streams.open(this.#stream)
  }

  write(chunk: Buffer): boolean {
    const keepsUp = this.#writeCopy(this.#stream.res, chunk)
    this.#streams.sent(this.#stream, chunk)
    return keepsUp
  }

  end(): void {
    this.#streams.close(this.#stream)
    this.#stream.res.end()
  }

  drop(): void {
    this.#streams.close(this.#stream)
  }
}

/** Sends the head at once, yet together with whatever of the body has come in the same turn. */
function sendHead(res: ServerResponse, { status, statusText, fields }: AnswerHead): void {
  const { socket } = res
  if (socket) {
    socket.cork()
    process.nextTick(uncork, socket)
  }
  res.writeHead(status, statusText, fields.passed)
  res.flushHeaders()
}

function uncork(socket: Socket): void {
  socket.uncork()
}
