const LIMIT_BYTES = 16_384
const PREFIX = Buffer.from('HTTP/1.')
const CR = 0x0d
const LF = 0x0a
const IN_LINE = 0
const AFTER_CR = 1
const AT_LINE_START = 2
const AFTER_LAST_CR = 3
const AT_END = 4
type Place =
  | typeof IN_LINE
  | typeof AFTER_CR
  | typeof AT_LINE_START
  | typeof AFTER_LAST_CR
  | typeof AT_END

/**
 * Finds the end of a head, or of trailers, and lets pass only what may stand there: visible characters, spaces, tabs and bytes above 0x7f in lines that end in `CR LF`,
 * and no line that begins with white space (`obs-fold`). Where it was cut into pieces makes no difference: it looks at one byte after the other.
 *
 * @see RFC 9112 sections 2.2 and 5.2
 */
export class LineScanner {
  #place: Place = AT_END
  /** How much of the prefix has been seen. */
  #matched = 0
  #size = 0
  #text = ''

  /** A head is due, which begins with the name of its protocol. */
  expectHead(): void {
    this.#begin(IN_LINE, 0)
  }

  expectTrailers(): void {
    this.#begin(AT_LINE_START, PREFIX.length)
  }

  /** What was scanned, as latin1, the empty line with it. */
  get text(): string {
    return this.#text
  }

  /** Whether the empty line was found. */
  get isAtEnd(): boolean {
    return this.#place === AT_END
  }

  /** @returns the index up to which it has scanned; -1 for a byte that may not stand there, or too many of them */
  scan(buffer: Buffer, start: number, length: number): number {
    let at = this.#match(buffer, start, length)
    if (at === -1) return -1
    let place = this.#place
    while (at < length && place !== AT_END) {
      const next = step(place, buffer[at] ?? 0)
      if (next === undefined) return -1
      place = next
      at += 1
      if (place === IN_LINE) while (at < length && isFieldByte(buffer[at] ?? 0)) at += 1
    }
    this.#place = place
    this.#size += at - start
    if (this.#size > LIMIT_BYTES) return -1
    this.#text += buffer.toString('latin1', start, at)
    return at
  }

  #begin(place: Place, matched: number): void {
    this.#place = place
    this.#matched = matched
    this.#size = 0
    this.#text = ''
  }

  #match(buffer: Buffer, start: number, length: number): number {
    let at = start
    while (at < length && this.#matched < PREFIX.length) {
      if (buffer[at] !== PREFIX[this.#matched]) return -1
      at += 1
      this.#matched += 1
    }
    return at
  }
}

function step(place: Place, byte: number): Place | undefined {
  switch (place) {
    case IN_LINE:
      if (byte === CR) return AFTER_CR
      return isFieldByte(byte) ? IN_LINE : undefined
    case AFTER_CR:
      return byte === LF ? AT_LINE_START : undefined
    case AT_LINE_START:
      if (byte === CR) return AFTER_LAST_CR
      return byte > 0x20 && byte < 0x7f ? IN_LINE : undefined
    case AFTER_LAST_CR:
      return byte === LF ? AT_END : undefined
    case AT_END:
      return undefined
  }
}

/** HTAB, SP, VCHAR, obs-text. */
function isFieldByte(byte: number): boolean {
  return (byte >= 0x20 && byte !== 0x7f) || byte === 0x09
}
