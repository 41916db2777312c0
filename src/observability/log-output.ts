import { pino } from 'pino'

export type LogOutput = ReturnType<typeof pino.destination>

/** Lines that nobody will read: dropped, or written after the reader has gone. */
export type LostLines = { value: number }

/** Bytes that wait for an output that takes none. */
const WAITING_AT_MOST = 16 * 1024 * 1024

/**
 * Standard output, for lines that are written when it takes them.
 *
 * Nothing that befalls it touches the gateway. What a full disk refuses is kept, and tried again with the next line; beyond a bound,
 * lines are dropped. Once its reader has gone, every line is lost.
 *
 * @param lost counts them
 * @param maxWrite bytes that are written at once at most
 */
export function openLogOutput(lost: LostLines, maxWrite?: number): LogOutput {
  const output = pino.destination({
    ...{ dest: 1, sync: false, maxLength: WAITING_AT_MOST },
    ...(maxWrite !== undefined && { maxWrite }),
  })
  let isRefused = false
  // Without a listener the error would end the process.
  output.on('error', (error: NodeJS.ErrnoException) => {
    isRefused = true
    if (error.code === 'EPIPE') countInstead(output, lost)
  })
  output.on('drop', () => {
    lost.value += 1
  })
  output.on('write', () => {
    isRefused = false
  })
  // At the end of the process what is left is written synchronously, and a write that fails is tried again for ever.
  const flushSync = output.flushSync.bind(output)
  output.flushSync = () => {
    if (!isRefused) flushSync()
  }
  return output
}

/** pino writes no more to it then; what was being written is counted as one line. */
function countInstead(output: LogOutput, lost: LostLines): void {
  lost.value += 1
  output.write = () => {
    lost.value += 1
    return true
  }
}

/** @param tell is told how many lines were dropped, once there is room for saying so */
export function countDropped(output: LogOutput, tell: (dropped: number) => void): void {
  let dropped = 0
  output.on('drop', () => {
    dropped += 1
  })
  output.on('drain', () => {
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    tell(count)
  })
}
