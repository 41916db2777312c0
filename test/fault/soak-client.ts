import { setTimeout as pause } from 'node:timers/promises'
import { type CallAnswer, call, refresh, type Session, type TokenAnswer } from './client.ts'
import type { FaultHouse } from './house.ts'

/** What one user's client has met. */
export type ClientReport = {
  calls: number
  /** Answers that a client repeats: a replica that has just ended, a 503. */
  retries: number
  refreshes: number
  /** A 401 that a refresh did not mend, or a refresh that was refused: the user has to sign in again. */
  logouts: string[]
}

export type SoakClient = {
  report: ClientReport
  /** Uses the gateway until it is told to stop. */
  run(stopping: AbortSignal): Promise<void>
  /** Uses it once more. */
  step(): Promise<void>
}

const RETRY_PAUSE_MS = 200

/** A client as they are: it calls now and then, refreshes when half of its token's life is over or on a 401, and tries again what failed. */
export function createSoakClient(
  house: FaultHouse,
  number: number,
  first: Session,
  pace: { callSeconds: number; refreshSeconds: number },
): SoakClient {
  const report: ClientReport = { calls: 0, retries: 0, refreshes: 0, logouts: [] }
  let session = first
  let refreshAt = Date.now() + pace.refreshSeconds * 1000

  const persist = async <T extends { status: number }>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      const answer = await ask().catch(() => undefined)
      if (answer && answer.status < 500) return answer
      report.retries += 1
      await pause(RETRY_PAUSE_MS)
    }
  }
  const renew = async (): Promise<boolean> => {
    report.refreshes += 1
    refreshAt = Date.now() + pace.refreshSeconds * 1000
    const { status, body }: TokenAnswer = await persist(() => refresh(session, house.front))
    const { access_token: accessToken, refresh_token: refreshToken } = body
    if (accessToken === undefined || refreshToken === undefined) {
      report.logouts.push(`refresh answered ${status} ${body.error}`)
      return false
    }
    session = { ...session, accessToken, refreshToken }
    return true
  }
  const callOnce = (): Promise<CallAnswer> =>
    persist(() => call(session, house.front, `?grant=${number}`))
  const step = async (): Promise<void> => {
    if (Date.now() > refreshAt && !(await renew())) return
    report.calls += 1
    if ((await callOnce()).status !== 401) return
    if ((await renew()) && (await callOnce()).status === 401)
      report.logouts.push('call answered 401')
  }

  return {
    report,
    step,
    async run(stopping) {
      while (!stopping.aborted) {
        await step()
        await pause(pace.callSeconds * 1000 * (0.5 + Math.random()))
      }
    },
  }
}
