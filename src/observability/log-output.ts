import { pino } from 'pino'

export type LogOutput = ReturnType<typeof pino.destination>

/**
 * Standard output, for lines that are written when it takes them.
 *
 * Nothing that befalls it touches the gateway. What a full disk refuses is kept, and tried again with the next line.
 *
 * @param maxWrite bytes that are written at once at most
 */
export function openLogOutput(maxWrite?: number): LogOutput {
  const output = pino.destination({
    ...{ dest: 1, sync: false },
    ...(maxWrite !== undefined && { maxWrite }),
  })
  let isRefused = false
  // Without a listener the error would end the process.
  output.on('error', () => {
    isRefused = true
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
