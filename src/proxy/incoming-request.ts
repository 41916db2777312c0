import { IncomingMessage } from 'node:http'

/** Who gets the body of a request, piece by piece. */
export type BodyReader = {
  /** @returns whether to go on; otherwise the rest is left to the stream */
  take(chunk: Buffer): boolean
  /** The body is complete. */
  end(): void
}

/**
 * A request whose body can be taken as Node's parser brings it. The stages of a stream (buffer, flow, events, end, destruction) cost a twentieth of a call or more, and a body that
 * is held whole needs none of them. To whoever does not take it, the stream is there as ever.
 */
export class IncomingRequest extends IncomingMessage {
  #reader: BodyReader | undefined

  /** Whether its body goes past the stream. */
  get isTaken(): boolean {
    return this.#reader !== undefined
  }

  /** @returns whether `reader` gets all of the body; not where a part of it has come already */
  bringTo(reader: BodyReader): boolean {
    if (this.complete || this.readableLength > 0 || this.readableFlowing !== null) return false
    // So that Node knows that somebody reads.
    this.read(0)
    this.#reader = reader
    return true
  }

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    const reader = this.#reader
    if (!reader) return super.push(chunk, encoding)
    if (chunk === null) {
      this.#reader = undefined
      // As a stream would: not before the parser is done with what came in the same piece.
      process.nextTick(finish, reader)
    } else if (!reader.take(chunk)) this.#reader = undefined
    return true
  }
}

function finish(reader: BodyReader): void {
  reader.end()
}
