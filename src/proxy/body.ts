import type { IncomingMessage } from 'node:http'

/**
 * What became of a request's body.
 *
 * - `held`: all of it, in memory, so that it can be sent again.
 * - `too-large`: more than the limit; the rest is unread.
 * - `gone`: the client left before it was complete.
 */
export type HeldBody =
  | { outcome: 'held'; body: Buffer }
  | { outcome: 'too-large' }
  | { outcome: 'gone' }

const TOO_LARGE: HeldBody = { outcome: 'too-large' }
const GONE: HeldBody = { outcome: 'gone' }

/**
 * Holds a request's body up to `limit` bytes, whether its length was declared or it comes in chunks. How long it may take is the listener's `requestTimeoutMs`.
 */
export function holdBody(req: IncomingMessage, limit: number): Promise<HeldBody> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer): void => {
      size += chunk.byteLength
      chunks.push(chunk)
      if (size <= limit) return
      chunks.length = 0
      req.off('data', onData)
      req.pause()
      resolve(TOO_LARGE)
    }
    req.on('data', onData)
    req.on('end', () => resolve({ outcome: 'held', body: asOne(chunks) }))
    req.on('close', () => resolve(GONE))
  })
}

function asOne(chunks: Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only ? only : Buffer.concat(chunks)
}
