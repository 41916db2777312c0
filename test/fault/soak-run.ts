import { setTimeout as pause } from 'node:timers/promises'
import { register, type Session, signIn } from './client.ts'
import { allLines, type FaultHouse, startHouse } from './house.ts'
import { type ClientReport, createSoakClient, type SoakClient } from './soak-client.ts'
import { countLives, type TokenLives } from './soak-lives.ts'

export type SoakOptions = {
  grants: number
  minutes: number
  replicas: number
  /** One replica after the other is told to stop, and started again. */
  restartSeconds: number
  /** Life of the IdP's access tokens. */
  tokenSeconds: number
}

export type SoakReport = {
  options: SoakOptions
  /** From the first login to the last call. */
  elapsedSeconds: number
  restarts: number
  clients: Omit<ClientReport, 'logouts'>
  logouts: string[]
  /** By the IdP's own counting. */
  idp: { refreshes: number; results: Record<string, number> }
  lives: TokenLives
  /** Lines at `error` of all replicas, and what they wrote that is no line. */
  errors: Record<string, unknown>[]
}

/** Seconds after which a client refreshes its own tokens, which are good for twice as long. */
const CLIENT_REFRESH_SECONDS = 20
/** What the machine can take: calls a second, all clients together. */
const CALLS_PER_SECOND = 120
const LOGINS_AT_ONCE = 4
const SETTLE_MS = 500

/** Lets many users use a gateway whose replicas come and go, and counts what that cost them and the IdP. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const house = await startHouse({
    replicas: options.replicas,
    idp: { accessTokenTtlSeconds: options.tokenSeconds },
    config: {
      log: { level: 'info' },
      lifetimes: { accessToken: `${2 * CLIENT_REFRESH_SECONDS}s` },
    },
  })
  try {
    return await soak(house, options)
  } finally {
    await house.close()
  }
}

async function soak(house: FaultHouse, options: SoakOptions): Promise<SoakReport> {
  const startedAt = Date.now()
  const stopping = new AbortController()
  const pace = {
    callSeconds: Math.max(0.5, options.grants / CALLS_PER_SECOND),
    refreshSeconds: CLIENT_REFRESH_SECONDS,
  }
  const clients: SoakClient[] = []
  const running: Promise<void>[] = []
  await openGrants(house, options.grants, (session, number) => {
    const client = createSoakClient(house, number, session, pace)
    clients.push(client)
    running.push(client.run(stopping.signal))
  })
  const restarting = restartInTurn(house, options.restartSeconds, stopping.signal)
  await pause(options.minutes * 60_000)
  stopping.abort()
  const restarts = await restarting
  await Promise.all(running)
  await seeNewestTokens(house, clients)
  const endedAt = Date.now()
  const { requests, results } = structuredClone(house.idp.counts.refresh)
  return {
    options,
    restarts,
    elapsedSeconds: (endedAt - startedAt) / 1000,
    clients: sum(clients.map(({ report }) => report)),
    logouts: clients.flatMap(({ report }) => report.logouts),
    idp: { refreshes: requests, results },
    lives: countLives(house.backend.calls),
    errors: allLines(house).filter(({ level, text }) => level === 'error' || text !== undefined),
  }
}

async function openGrants(
  house: FaultHouse,
  count: number,
  onOpen: (session: Session, number: number) => void,
): Promise<void> {
  const clientId = await register(house)
  let next = 0
  const openSome = async (): Promise<void> => {
    while (next < count) {
      const number = next++
      onOpen(await signIn(house, clientId), number)
    }
  }
  await Promise.all(Array.from({ length: LOGINS_AT_ONCE }, openSome))
}

/** @returns how many restarts there were */
async function restartInTurn(
  { replicas }: FaultHouse,
  everySeconds: number,
  stopping: AbortSignal,
): Promise<number> {
  let restarts = 0
  for (;;) {
    await pause(everySeconds * 1000, undefined, { signal: stopping }).catch(() => {})
    if (stopping.aborted) return restarts
    const replica = replicas[restarts % replicas.length]
    await replica?.stop()
    await replica?.start()
    restarts += 1
  }
}

/** Uses every grant until that begins no refresh: then the token of each has been seen, and a grant that was lost has been noticed. */
async function seeNewestTokens({ idp }: FaultHouse, clients: readonly SoakClient[]): Promise<void> {
  const { refresh } = idp.counts
  for (let before = -1; before !== refresh.requests; ) {
    before = refresh.requests
    for (const client of clients) await client.step()
    // A refresh behind a call is asked of the IdP within this time.
    await pause(SETTLE_MS)
  }
}

function sum(reports: ClientReport[]): SoakReport['clients'] {
  const total = (pick: (report: ClientReport) => number) =>
    reports.reduce((amount, report) => amount + pick(report), 0)
  return {
    calls: total(report => report.calls),
    retries: total(report => report.retries),
    refreshes: total(report => report.refreshes),
  }
}
