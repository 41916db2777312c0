import { OutageError } from '../../domain/outage.ts'
import { type RedisClient, UNSENT } from './clients.ts'
import type { Readiness } from './readiness.ts'

/**
 * Whether an operation may be sent again after the connection broke before its answer came. `once`: the first may have been applied, and a second would answer
 * wrongly (a code would seem replayed). `repeatable`: the second finds what the first did and answers the same.
 */
export type Repetition = 'once' | 'repeatable'

/**
 * Sends one operation, and answers within the deadline: with the store's answer or with an `OutageError`. Waits for a connection that is being made, and repeats
 * what was surely not applied; what may have been applied only where that is harmless.
 */
export type Run = <T>(
  operation: string,
  repetition: Repetition,
  send: (client: RedisClient) => Promise<T>,
) => Promise<T>

/** Replies that a server gives instead of running a command: it is a replica, still loading, or its cluster is reorganising. */
const REFUSED = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS)\b/

const PAUSE_MS = 25

export function createRun(client: RedisClient, readiness: Readiness, deadlineMs: number): Run {
  return <T>(
    operation: string,
    repetition: Repetition,
    send: (client: RedisClient) => Promise<T>,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      let isOver = false
      let lastError: unknown
      let stopWaiting = (): void => {}

      const end = (): void => {
        isOver = true
        clearTimeout(timer)
      }
      const fail = (message: string): void => {
        end()
        const cause = lastError ?? readiness.reason()
        reject(new OutageError('store', `${operation}: ${message}`, { cause }))
      }
      const onAnswer = (answer: T): void => {
        end()
        resolve(answer)
      }
      const onError = (error: unknown): void => {
        if (isOver) return
        lastError = error
        if (mayRepeat(error, repetition)) setTimeout(start, PAUSE_MS * (1 + Math.random()))
        else fail(messageOf(error))
      }
      // Asynchronous, so that what the client throws at once is an error like any other.
      const attempt = async () => await send(client)
      const start = (): void => {
        if (isOver) return
        stopWaiting = readiness.whenReady(() => void attempt().then(onAnswer, onError))
      }
      const timer = setTimeout(() => {
        stopWaiting()
        fail(`no answer within ${deadlineMs} ms`)
      }, deadlineMs)
      start()
    })
}

function mayRepeat(error: unknown, repetition: Repetition): boolean {
  const message = messageOf(error)
  if (REFUSED.test(message) || UNSENT.test(message)) return true
  // Any other reply of the server is its answer; only a broken connection leaves it open.
  const isReply = error instanceof Error && error.name === 'ReplyError'
  return repetition === 'repeatable' && !isReply
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
