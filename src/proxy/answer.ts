import type { IncomingHttpHeaders, OutgoingHttpHeader, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { EMPTY_TAIL, type EventStream, type EventStreams } from './event-streams.ts'

/** Where a backend's answer goes. */
export type Answer = {
  /** @returns whether the client keeps up */
  write(chunk: Buffer): boolean
  end(): void
  /** It ends early, for whatever reason; nothing is sent. */
  drop(): void
}

export type AnswerHead = {
  status: number
  statusText: string | undefined
  /** As the backend sent them; names in lower case. */
  received: IncomingHttpHeaders
  /** Those that pass, flat. */
  fields: OutgoingHttpHeader[]
}

const SMALL_BYTES = 16_384

/** An answer of a small, known length is gathered and leaves in one write with its head; so while it is incomplete, a failure can still be told. */
export function isSmall({ received }: AnswerHead): boolean {
  const length = received['content-length']
  return length !== undefined && /^\d{1,5}$/.test(length) && Number(length) < SMALL_BYTES
}

export function isEventStream({ received }: AnswerHead): boolean {
  return /^text\/event-stream\b/i.test(received['content-type'] ?? '')
}

export class GatheredAnswer implements Answer {
  readonly #res: ServerResponse
  readonly #head: AnswerHead
  #body: Buffer | undefined

  constructor(res: ServerResponse, head: AnswerHead) {
    this.#res = res
    this.#head = head
  }

  write(chunk: Buffer): boolean {
    this.#body = this.#body ? Buffer.concat([this.#body, chunk]) : chunk
    return true
  }

  end(): void {
    const { status, statusText, fields } = this.#head
    this.#res.writeHead(status, statusText, fields)
    // As a latin1 string, which is the same bytes: Node joins strings with the head, and Buffers it writes as a second piece.
    this.#res.end(this.#body?.toString('latin1'), 'latin1')
  }

  drop(): void {}
}

export class StreamedAnswer implements Answer {
  readonly #res: ServerResponse

  constructor(res: ServerResponse, head: AnswerHead) {
    this.#res = res
    sendHead(res, head)
  }

  write(chunk: Buffer): boolean {
    return this.#res.write(chunk)
  }

  end(): void {
    this.#res.end()
  }

  drop(): void {}
}

export class EventStreamAnswer implements Answer {
  readonly #streams: EventStreams
  readonly #stream: EventStream

  constructor(
    res: ServerResponse,
    head: AnswerHead,
    streams: EventStreams,
    lifecycle: { isListening: boolean; finish: () => void },
  ) {
    const { received, fields } = head
    fields.push('x-accel-buffering', 'no')
    if (received['cache-control'] === undefined) fields.push('cache-control', 'no-cache')
    const isSealed =
      received['content-length'] !== undefined || received['content-encoding'] !== undefined
    this.#streams = streams
    this.#stream = { res, tail: EMPTY_TAIL, isQuiet: false, isSealed, ...lifecycle }
    sendHead(res, head)
    streams.open(this.#stream)
  }

  write(chunk: Buffer): boolean {
    const keepsUp = this.#stream.res.write(chunk)
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
  res.writeHead(status, statusText, fields)
  res.flushHeaders()
}

function uncork(socket: Socket): void {
  socket.uncork()
}
