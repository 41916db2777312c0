import type { IncomingMessage } from 'node:http'
import { type BodyReader, IncomingRequest } from './incoming-request.ts'

/**
 * What became of a request's body.
 *
 * - `held`: all of it, in memory, so that it can be sent again.
 * - `too-large`: more than the limit; the rest is unread.
 */
export type HeldBody = { outcome: 'held'; body: Buffer } | { outcome: 'too-large' }

const TOO_LARGE: HeldBody = { outcome: 'too-large' }
/** How many pieces are held as they came: each costs a hundred times what it holds where a client sends its body byte by byte. */
const LOOSE_PIECES = 256

/**
 * Holds a request's body up to `limit` bytes, whether its length was declared or it comes in chunks. How long it may take is the listener's `requestTimeoutMs`.
 *
 * @param done is called once, later, or never where the client leaves before its body is complete
 */
export function holdBody(
  req: IncomingMessage,
  limit: number,
  done: (held: HeldBody) => void,
): void {
  const holder = new Holder(limit, done)
  if (!(req instanceof IncomingRequest && req.bringTo(holder))) readStream(req, holder)
}

/** Of what has begun to come, since its token had to be verified first. */
function readStream(req: IncomingMessage, holder: Holder): void {
  const onData = (chunk: Buffer): void => {
    if (holder.take(chunk)) return
    req.off('data', onData)
    req.off('end', onEnd)
    req.pause()
  }
  const onEnd = (): void => holder.end()
  req.on('data', onData)
  req.on('end', onEnd)
}

class Holder implements BodyReader {
  readonly #limit: number
  readonly #done: (held: HeldBody) => void
  #chunks: Buffer[] = []
  #joined = 0
  #size = 0

  constructor(limit: number, done: (held: HeldBody) => void) {
    this.#limit = limit
    this.#done = done
  }

  take(chunk: Buffer): boolean {
    this.#size += chunk.byteLength
    this.#chunks.push(chunk)
    if (this.#chunks.length - this.#joined === LOOSE_PIECES) this.#join()
    if (this.#size <= this.#limit) return true
    this.#chunks = []
    process.nextTick(this.#done, TOO_LARGE)
    return false
  }

  #join(): void {
    this.#chunks.push(Buffer.concat(this.#chunks.splice(this.#joined)))
    this.#joined += 1
  }

  end(): void {
    this.#done({ outcome: 'held', body: asOne(this.#chunks) })
  }
}

function asOne(chunks: Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only ? only : Buffer.concat(chunks)
}
