import { LineScanner } from './line-scanner.ts'
import type { ParsedHead, ParseHead } from './response-head.ts'

/**
 * What came of some bytes.
 *
 * - `more`: the answer goes on.
 * - `end`: it is complete, and nothing came after it.
 * - `overrun`: it is complete, and something came after it.
 * - `broken`: a byte that neither grammar nor framing expects.
 */
export type Verdict = 'more' | 'end' | 'overrun' | 'broken'

export type ResponseSink = {
  onInformational(): void
  onHead(head: ParsedHead): void
  /** The bytes are good only during the call. */
  onData(chunk: Buffer): void
}

export type HeadRules = {
  parseHead: ParseHead
  checkTrailers: (text: string) => boolean
}

const NOTHING = 0
const HEAD = 1
const SIZED = 2
const UNTIL_CLOSE = 3
const CHUNK_SIZE = 4
const CHUNK_SIZE_END = 5
const CHUNK = 6
const CHUNK_END = 7
const CHUNK_LAST_END = 8
const TRAILERS = 9
const COMPLETE = 10
type State =
  | typeof NOTHING
  | typeof HEAD
  | typeof SIZED
  | typeof UNTIL_CLOSE
  | typeof CHUNK_SIZE
  | typeof CHUNK_SIZE_END
  | typeof CHUNK
  | typeof CHUNK_END
  | typeof CHUNK_LAST_END
  | typeof TRAILERS
  | typeof COMPLETE

const CR = 0x0d
const LF = 0x0a
const SIZE_DIGITS = 13
const INFORMATIONAL_AT_MOST = 16
const BROKEN = -1

/**
 * Reads one answer after the other from a connection, strictly: a single spelling for whatever decides where a message ends, and no leniency anywhere. It keeps its state from
 * byte to byte, so it makes no difference how the bytes are cut.
 *
 * Stricter than it must be by RFC 9112: it refuses chunk extensions, transfer codings other than `chunked`, several lengths even if equal, and line folding.
 *
 * @see RFC 9112 sections 6 and 7
 */
export class ResponseParser {
  readonly #rules: HeadRules
  readonly #sink: ResponseSink
  readonly #lines = new LineScanner()
  #state: State = NOTHING
  #isBodiless = false
  /** Bytes of the body, or of the chunk, that are still to come. */
  #remaining = 0
  #sizeDigits = 0
  #informational = 0
  /** The part of the present buffer that holds the data which was read from it. */
  #dataStart = 0
  #dataEnd = 0

  constructor(rules: HeadRules, sink: ResponseSink) {
    this.#rules = rules
    this.#sink = sink
  }

  /** An answer is due. @param isBodiless it has no body whatever its head says: the request was a HEAD */
  expect(isBodiless: boolean): void {
    this.#state = HEAD
    this.#isBodiless = isBodiless
    this.#informational = 0
    this.#lines.expectHead()
  }

  /** Expects nothing any more: from within the sink, it ends the reading. */
  stop(): void {
    this.#state = NOTHING
  }

  /** Whether the close of the connection is the end of the answer. */
  get endsAtClose(): boolean {
    return this.#state === UNTIL_CLOSE
  }

  /** Reads the first `length` bytes of a buffer that it may write into: chunks are joined in place, so that they go on as one. */
  read(buffer: Buffer, length: number): Verdict {
    this.#dataStart = 0
    this.#dataEnd = 0
    let at = 0
    while (at !== BROKEN && at < length && this.#state !== COMPLETE) {
      at = this.#advance(buffer, at, length)
    }
    if (this.#dataEnd > this.#dataStart) {
      this.#sink.onData(buffer.subarray(this.#dataStart, this.#dataEnd))
    }
    if (at === BROKEN) return 'broken'
    if (this.#state !== COMPLETE) return 'more'
    return at < length ? 'overrun' : 'end'
  }

  /** @returns where to go on, or `BROKEN` */
  #advance(buffer: Buffer, at: number, length: number): number {
    switch (this.#state) {
      case HEAD:
        return this.#readHead(buffer, at, length)
      case SIZED:
        return this.#take(buffer, at, length, COMPLETE)
      case CHUNK:
        return this.#take(buffer, at, length, CHUNK_END)
      case UNTIL_CLOSE:
        this.#keep(buffer, at, length)
        return length
      case CHUNK_SIZE:
        return this.#readSize(buffer[at] ?? 0, at)
      case CHUNK_SIZE_END:
        return this.#require(buffer[at], LF, at, this.#remaining === 0 ? TRAILERS : CHUNK)
      case CHUNK_END:
        return this.#require(buffer[at], CR, at, CHUNK_LAST_END)
      case CHUNK_LAST_END:
        return this.#require(buffer[at], LF, at, this.#beginChunk())
      case TRAILERS:
        return this.#readTrailers(buffer, at, length)
      default:
        return BROKEN
    }
  }

  #readHead(buffer: Buffer, start: number, length: number): number {
    const at = this.#lines.scan(buffer, start, length)
    if (at === BROKEN || !this.#lines.isAtEnd) return at
    const head = this.#rules.parseHead(this.#lines.text)
    if (!head) return BROKEN
    if (head.status < 200) return this.#passOver(head) ? at : BROKEN
    // Before the sink hears of it, which may stop everything.
    this.#state = this.#bodyOf(head)
    this.#sink.onHead(head)
    return this.#state === NOTHING ? BROKEN : at
  }

  /** Informational answers come before the answer; `101` would be the end of HTTP on this connection. */
  #passOver(head: ParsedHead): boolean {
    this.#informational += 1
    if (head.status === 101 || this.#informational > INFORMATIONAL_AT_MOST) return false
    if (!head.keepsAlive || head.isChunked || head.contentLength !== -1) return false
    this.#lines.expectHead()
    this.#sink.onInformational()
    return true
  }

  #bodyOf({ status, isChunked, contentLength }: ParsedHead): State {
    if (this.#isBodiless || status === 204 || status === 304 || contentLength === 0) return COMPLETE
    if (isChunked) return this.#beginChunk()
    this.#remaining = contentLength
    return contentLength === -1 ? UNTIL_CLOSE : SIZED
  }

  #beginChunk(): State {
    this.#remaining = 0
    this.#sizeDigits = 0
    return CHUNK_SIZE
  }

  #readSize(byte: number, at: number): number {
    if (byte === CR && this.#sizeDigits > 0) {
      if (this.#remaining === 0) this.#lines.expectTrailers()
      this.#state = CHUNK_SIZE_END
      return at + 1
    }
    const digit = hexDigit(byte)
    this.#sizeDigits += 1
    if (digit === BROKEN || this.#sizeDigits > SIZE_DIGITS) return BROKEN
    this.#remaining = this.#remaining * 16 + digit
    return at + 1
  }

  #take(buffer: Buffer, start: number, length: number, next: State): number {
    const end = Math.min(length, start + this.#remaining)
    this.#remaining -= end - start
    this.#keep(buffer, start, end)
    if (this.#remaining === 0) this.#state = next
    return end
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    if (this.#dataEnd === 0) {
      this.#dataStart = start
      this.#dataEnd = end
      return
    }
    buffer.copyWithin(this.#dataEnd, start, end)
    this.#dataEnd += end - start
  }

  #require(byte: number | undefined, expected: number, at: number, next: State): number {
    if (byte !== expected) return BROKEN
    this.#state = next
    return at + 1
  }

  #readTrailers(buffer: Buffer, start: number, length: number): number {
    const at = this.#lines.scan(buffer, start, length)
    if (at === BROKEN || !this.#lines.isAtEnd) return at
    if (!this.#rules.checkTrailers(this.#lines.text)) return BROKEN
    this.#state = COMPLETE
    return at
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : BROKEN
}
