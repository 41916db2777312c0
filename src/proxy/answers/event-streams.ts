import type { ServerResponse } from 'node:http'

/** An open event stream, as far as others may act on it: only between its events. */
export type EventStream = {
  res: ServerResponse
  /** The last bytes that were sent, newest lowest. */
  tail: number
  /** Whether nothing was sent since the last beat. */
  isQuiet: boolean
  /** Compressed or of a declared length: nothing may be added. */
  isSealed: boolean
  /** It is to end as soon as it can. */
  isDue: boolean
  /** It carries notifications, not the answer to a call, so it may end whenever the gateway does. */
  isListening: boolean
  /** Milliseconds of the monotonic clock: when it has to end, if it is listening. */
  endsAt: number
  /** In [0, 1): which of the streams that could end at the same time is earlier. */
  draw: number
  /** Whether its instance is no longer one, so that it should move on. */
  isLeft: () => boolean
  /** Ends it in good order, towards both sides. */
  finish: () => void
  /** Breaks it off, inside of an event. */
  cut: () => void
  /** What it says before it ends ahead of time; whole lines, or nothing. */
  farewell: () => string
}

export type EventStreams = {
  open(stream: EventStream): void
  /** Notes what was sent. */
  sent(stream: EventStream, chunk: Buffer): void
  close(stream: EventStream): void
  /** Ends the listening streams one after the other, evenly over this time, each as soon as it is between events; those that come later, at once. */
  drain(spreadMs: number): void
  stop(): void
  /** How many are open. */
  count(): number
}

const LF = 0x0a
const CR = 0x0d
// One comment line and no blank one: some clients take a blank line for an event.
const HEARTBEAT = ':\n'
const DRAIN_TICK_MS = 50
/** For how long a stream that has to end may stay inside of an event. */
const STUCK_BEATS = 2
/** Over which time those of an instance that is no longer one move on. */
const MOVE_BEATS = 4

/**
 * Keeps the open event streams alive: whoever was quiet for a whole beat gets a comment, so gaps are between one and two beats long. One timer for all of them.
 *
 * @see WHATWG HTML section 9.2.6 (event stream interpretation)
 */
export function createEventStreams(beatMs: number): EventStreams {
  const streams = new Set<EventStream>()
  let drainTimer: NodeJS.Timeout | undefined

  const finishIfDue = (stream: EventStream): void => {
    if (!stream.isDue || !stream.isListening || !isBetweenEvents(stream.tail)) return
    if (mayInsert(stream)) stream.res.write(stream.farewell())
    stream.finish()
  }

  const finishDue = (): void => {
    const now = performance.now()
    for (const stream of [...streams]) {
      if (stream.endsAt <= now) stream.isDue = true
      finishIfDue(stream)
      const isStuck = stream.isListening && stream.endsAt + STUCK_BEATS * beatMs <= now
      if (isStuck && streams.has(stream)) stream.cut()
    }
  }

  const moveOn = (stream: EventStream): void => {
    if (!stream.isListening || !stream.isLeft()) return
    const endsAt = performance.now() + stream.draw * MOVE_BEATS * beatMs
    stream.endsAt = Math.min(stream.endsAt, endsAt)
  }

  const beat = (): void => {
    for (const stream of streams) moveOn(stream)
    finishDue()
    for (const stream of streams) {
      if (stream.isQuiet && mayInsert(stream)) stream.res.write(HEARTBEAT)
      stream.isQuiet = true
    }
  }
  const timer = setInterval(beat, beatMs).unref()

  return {
    open(stream) {
      streams.add(stream)
      // Not at once: whoever opens it does not hold it yet.
      if (!drainTimer) return
      stream.isDue = true
      queueMicrotask(() => finishIfDue(stream))
    },
    sent(stream, chunk) {
      stream.tail = tailAfter(stream.tail, chunk)
      stream.isQuiet = false
      finishIfDue(stream)
    },
    close(stream) {
      streams.delete(stream)
    },
    drain(spreadMs) {
      if (drainTimer) return
      const now = performance.now()
      const listening = [...streams].filter(({ isListening }) => isListening)
      for (const [index, stream] of listening.entries()) {
        const endsAt = now + (index * spreadMs) / listening.length
        stream.endsAt = Math.min(stream.endsAt, endsAt)
      }
      finishDue()
      drainTimer = setInterval(finishDue, DRAIN_TICK_MS).unref()
    },
    stop() {
      clearInterval(timer)
      clearInterval(drainTimer)
    },
    count: () => streams.size,
  }
}

/** The tail of a stream that has sent nothing yet: the same as after an event. */
export const EMPTY_TAIL: number = (LF << 8) | LF

/** The last three bytes after `chunk`. */
export function tailAfter(tail: number, chunk: Uint8Array): number {
  let next = tail
  for (let index = Math.max(0, chunk.byteLength - 3); index < chunk.byteLength; index += 1) {
    next = ((next << 8) | (chunk[index] ?? 0)) & 0xffffff
  }
  return next
}

/** Whether the last thing sent was the blank line after an event; lines may end in LF, CR or CRLF. */
export function isBetweenEvents(tail: number): boolean {
  const last = tail & 0xff
  const before = (tail >> 8) & 0xff
  if (!isLineEnd(last)) return false
  if (before === CR && last === LF) return isLineEnd((tail >> 16) & 0xff)
  return isLineEnd(before)
}

function mayInsert(stream: EventStream): boolean {
  return !stream.isSealed && !stream.res.writableNeedDrain && isBetweenEvents(stream.tail)
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR
}
