import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from './contenders.ts'
import { percentile } from './figures.ts'
import { connectTo, renderCall } from './raw-client.ts'

export type HalfLoad = {
  name: string
  requestsPerSecond: number
  p50: number
  p99: number
  /** Connections that broke. */
  failures: number
}

const CONNECTIONS = 32
const STEP_MS = 2

/**
 * How long answers take at a rate that is the same for all: calls are due at fixed times, and the time that one waits for a free connection counts.
 *
 * @returns milliseconds
 */
export async function measureHalfLoad(
  contender: Contender,
  options: { rate: number; seconds: number; body: string },
): Promise<HalfLoad> {
  const { rate, seconds, body } = options
  const call = renderCall(contender, body)
  const times: number[] = []
  const idle: Socket[] = []
  const due: number[] = []
  let failures = 0
  const sendDue = (): void => {
    while (due.length > 0 && idle.length > 0) {
      const [socket, since] = [idle.pop(), due.shift()]
      if (!socket || since === undefined) return
      socket.write(call)
      awaitAnswer(socket).then(
        () => {
          times.push(performance.now() - since)
          idle.push(socket)
          sendDue()
        },
        () => {
          failures += 1
        },
      )
    }
  }
  while (idle.length < CONNECTIONS) idle.push(await connectTo(contender))
  const sockets = [...idle]
  const began = performance.now()
  for (let sent = 0; performance.now() - began < seconds * 1000; await pause(STEP_MS)) {
    const until = ((performance.now() - began) / 1000) * rate
    for (; sent < until; sent += 1) due.push(began + (sent / rate) * 1000)
    sendDue()
  }
  for (const socket of sockets) socket.destroy()
  const requestsPerSecond = Math.round(times.length / seconds)
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
  return { name: contender.name, requestsPerSecond, p50, p99, failures }
}

/** Resolves when an answer of declared length is complete. */
async function awaitAnswer(socket: Socket): Promise<void> {
  let text = ''
  for (;;) {
    const [piece] = await once(socket, 'data')
    text += piece.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN)
    if (end !== -1 && text.length >= end + 4 + length) return
  }
}
