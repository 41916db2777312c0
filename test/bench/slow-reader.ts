import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from './contenders.ts'
import { residentBytes } from './process.ts'
import { openCall } from './raw-client.ts'

const READERS = 8
const ANSWER_BYTES = 10_000_000
const SIP_EVERY_MS = 5

export type SlowReading = { name: string; readers: number; growthMegabytes: number }

/** How much a contender's memory grows at most while clients read answers of 10 MB slowly, all at the same time. */
export async function measureSlowReaders(contender: Contender): Promise<SlowReading> {
  await readAll(contender, 0)
  const [pid = 0] = contender.pids
  const before = residentBytes(pid)
  let peak = before
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid))
  }, 20)
  await Promise.all(Array.from({ length: READERS }, () => readAll(contender, SIP_EVERY_MS)))
  clearInterval(sampling)
  return { name: contender.name, readers: READERS, growthMegabytes: (peak - before) / 1e6 }
}

/** Reads a whole answer, with a pause after each piece. */
async function readAll(contender: Contender, pauseMs: number): Promise<void> {
  const socket = await openCall(contender)
  let received = 0
  socket.on('data', async piece => {
    received += piece.byteLength
    if (received >= ANSWER_BYTES) socket.destroy()
    if (pauseMs === 0) return
    socket.pause()
    await pause(pauseMs)
    socket.resume()
  })
  await once(socket, 'close')
  if (received < ANSWER_BYTES) throw new Error(`${contender.name} ended after ${received} bytes`)
}
