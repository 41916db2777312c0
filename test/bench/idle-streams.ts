import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from './contenders.ts'
import { percentile } from './figures.ts'
import { residentBytes } from './process.ts'
import { openCall } from './raw-client.ts'

const STREAMS = 2000
const OPENED_AT_ONCE = 50
const WATCHED_MS = 10_000

export type IdleStreams = {
  name: string
  streams: number
  kilobytesEach: number
  /** Milliseconds from the backend's write to our reading. */
  p50: number
  p99: number
}

/** What an open stream costs that has an event every five seconds, and how late those are. */
export async function measureIdleStreams(contender: Contender): Promise<IdleStreams> {
  const [pid = 0] = contender.pids
  // What the first ones cost is paid once.
  await closeAll(await openStreams(contender, STREAMS / 10, []))
  await pause(2000)
  const before = residentBytes(pid)
  const delays: number[] = []
  const sockets = await openStreams(contender, STREAMS, delays)
  delays.length = 0
  await pause(WATCHED_MS)
  const kilobytesEach = (residentBytes(pid) - before) / STREAMS / 1000
  await closeAll(sockets)
  const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)]
  return { name: contender.name, streams: STREAMS, kilobytesEach, p50, p99 }
}

async function openStreams(
  contender: Contender,
  count: number,
  delays: number[],
): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Array.from({ length: OPENED_AT_ONCE }, () => openStream(contender, delays))
    sockets.push(...(await Promise.all(some)))
  }
  return sockets
}

/** Resolves with the answer's head. */
async function openStream(contender: Contender, delays: number[]): Promise<Socket> {
  const socket = await openCall(contender)
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error(`${contender.name} has closed a stream`)))
    socket.on('data', piece => {
      const text = piece.toString('latin1')
      if (text.startsWith('HTTP/1.1 200')) resolve()
      const sentAt = /data: ([\d.]+)/.exec(text)?.[1]
      if (sentAt) delays.push(performance.timeOrigin + performance.now() - Number(sentAt))
    })
  })
  return socket
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) socket.removeAllListeners('close').destroy()
  await pause(500)
}
