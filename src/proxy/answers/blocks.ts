import type { ServerResponse } from 'node:http'

/** Writes what is good only for the moment: see `createBlocks`. */
export type WriteCopy = (res: ServerResponse, chunk: Buffer) => boolean

const BLOCK_BYTES = 65_536
const FREE_AT_MOST = 64
/** Below this Node's own pool for small buffers serves. */
const LARGE = 4096

/**
 * Makes a writer that copies each chunk, since the connection it came from reads its next one into the same memory. Large copies lie in blocks that are used again, which
 * otherwise pile up as garbage faster than they are collected.
 *
 * A block is free again only when its write has succeeded: of one that failed nobody knows whether the system still reads it, so it is left to the collector.
 */
export function createBlocks(): WriteCopy {
  const free: Buffer[] = []
  return (res, chunk) => {
    const size = chunk.byteLength
    if (size < LARGE || size > BLOCK_BYTES) return res.write(Buffer.from(chunk))
    const block = free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
    chunk.copy(block)
    return res.write(block.subarray(0, size), error => {
      if (!error && free.length < FREE_AT_MOST) free.push(block)
    })
  }
}
