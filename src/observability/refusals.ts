import type { Logger } from './log.ts'

const QUIET_MS = 10_000

/**
 * Notes what a listener refuses before anything is known of it: each is counted, and of each reason there is one line in ten seconds at most, since strangers decide how many there are.
 *
 * @param nowMs monotonic
 */
export function createRefusalNote(
  logger: Logger,
  count: (reason: string) => void,
  nowMs: () => number = () => performance.now(),
): (reason: string) => void {
  /** Reasons are a fixed list. */
  const lines = new Map<string, { at: number; refused: number }>()
  return reason => {
    count(reason)
    const line = lines.get(reason) ?? { at: -Infinity, refused: 0 }
    lines.set(reason, line)
    line.refused += 1
    const now = nowMs()
    if (now - line.at < QUIET_MS) return
    logger.info({ reason, refused: line.refused }, 'request refused')
    line.at = now
    line.refused = 0
  }
}
