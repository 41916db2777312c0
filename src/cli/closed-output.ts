import type { Writable } from 'node:stream'

/** Whoever reads a command's output may stop at any time (`| head`): what is still to be said is lost, and the command ends as it would have. */
export function outliveReader(output: Writable): void {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
