import type { IncomingMessage } from 'node:http'

/**
 * What became of a request's body.
 *
 * - `held`: all of it, in memory, so that it can be sent again.
 * - `too-large`: more than the limit; the rest is unread.
 */
export type HeldBody = { outcome: 'held'; body: Buffer } | { outcome: 'too-large' }

const TOO_LARGE: HeldBody = { outcome: 'too-large' }

/**
 * Holds a request's body up to `limit` bytes, whether its length was declared or it comes in chunks. How long it may take is the listener's `requestTimeoutMs`.
 *
 * @param done is called once, or never where the client leaves before its body is complete
 */
export function holdBody(
  req: IncomingMessage,
  limit: number,
  done: (held: HeldBody) => void,
): void {
  const chunks: Buffer[] = []
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.byteLength
    chunks.push(chunk)
    if (size <= limit) return
    chunks.length = 0
    req.off('data', onData)
    req.off('end', onEnd)
    req.pause()
    done(TOO_LARGE)
  }
  const onEnd = (): void => done({ outcome: 'held', body: asOne(chunks) })
  req.on('data', onData)
  req.on('end', onEnd)
}

function asOne(chunks: Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only ? only : Buffer.concat(chunks)
}
