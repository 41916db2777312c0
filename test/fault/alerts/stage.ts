import { setTimeout as pause } from 'node:timers/promises'
import { parseExposition } from '../../support/prometheus/exposition.ts'
import type { Moment, Scrape, Stretch } from '../../support/prometheus/recording.ts'
import { call, refresh, register, signIn } from '../client.ts'
import { type FaultHouse, type Replica, startHouse } from '../house.ts'
import { type Instance, startInstance } from './backend.ts'

/** A whole installation that works, with all that can be made to fail. */
export type Stage = { house: FaultHouse; instances: Instance[]; close(): Promise<void> }

/** What Prometheus would have seen, and from when to when there was a fault. */
export type Recording = {
  first: Moment
  stretches: readonly Stretch[]
  /** Minutes at which all is still well, the fault has lasted, and it has long been over. */
  at: { before: number; during: number; after: number }
}

/** Of upstream tokens: two seconds later a call needs a new one. */
export const TTL_SECONDS = 4
export const IN_FLIGHT_AT_MOST = 20
/** Longer than every rule wants a fault to last, and than every window that it looks back. */
const PHASE_MINUTES = 90

export async function startStage(): Promise<Stage> {
  const instances = [await startInstance(), await startInstance()]
  const house = await startHouse({
    replicas: 2,
    idp: { accessTokenTtlSeconds: TTL_SECONDS },
    upstream: { timeout: '5s' },
    nodeArgs: () => ['--import', `${import.meta.dirname}/defect.mjs`],
    config: {
      backends: [{ path: '/crm/mcp', instances: instances.map(({ url }) => url) }],
      limits: { inFlight: IN_FLIGHT_AT_MOST },
      log: { level: 'info' },
    },
  })
  const close = async (): Promise<void> => {
    await house.close()
    for (const instance of instances) instance.behave('well')
    await Promise.all(instances.map(instance => instance.goDown().catch(() => {})))
  }
  return { house, instances, close }
}

/** What a day brings: users sign in, clients call everywhere and refresh. */
export async function useAll({ house }: Pick<Stage, 'house'>, users = 2): Promise<void> {
  const clientId = await register(house)
  for (let n = 0; n < users; n += 1) {
    const session = await signIn(house, clientId)
    for (const replica of house.replicas) {
      for (let calls = 0; calls < 5; calls += 1) await call(session, replica)
    }
    await refresh(session, house.front)
  }
}

/** What `/metrics` of all replicas says now. */
export async function observe({ house }: Pick<Stage, 'house'>): Promise<Moment> {
  const scrapes = house.replicas.map(async ({ opsOrigin }, index) => [
    `gateway-${index + 1}`,
    await scrape(opsOrigin),
  ])
  return Object.fromEntries(await Promise.all(scrapes))
}

/** @returns nothing where there is no answer, as Prometheus then has nothing */
export async function scrape(opsOrigin: string): Promise<Scrape> {
  const response = await fetch(`${opsOrigin}/metrics`).catch(() => undefined)
  return response?.ok ? parseExposition(await response.text()) : undefined
}

/**
 * Records a usual time, a fault, and a usual time again.
 *
 * @param mend brings everything back
 */
export async function recordFault(
  stage: Stage,
  provoke: () => Promise<unknown>,
  mend: () => Promise<unknown> = async () => {},
): Promise<Recording> {
  await useAll(stage)
  const first = await observe(stage)
  await useAll(stage)
  const before = await observe(stage)
  const during = await provokeOrMend(stage, provoke, mend)
  await mend()
  await useAll(stage)
  const mended = await observe(stage)
  await useAll(stage)
  return recordingOf(first, [before, during, mended, await observe(stage)])
}

/** What does not fail as it should is mended all the same, so that the next fault finds a stage that works. */
async function provokeOrMend(
  stage: Stage,
  provoke: () => Promise<unknown>,
  mend: () => Promise<unknown>,
): Promise<Moment> {
  try {
    await provoke()
    return await observe(stage)
  } catch (error) {
    await mend().catch(() => {})
    throw error
  }
}

/** Each change goes on for as long as a phase lasts, but the mending, which is done in a minute. */
export function recordingOf(first: Moment, [before, during, mended, after]: Moments): Recording {
  return {
    first,
    stretches: [
      { until: before, minutes: PHASE_MINUTES },
      { until: during, minutes: PHASE_MINUTES },
      { until: mended, minutes: 1 },
      { until: after, minutes: PHASE_MINUTES },
    ],
    at: { before: PHASE_MINUTES, during: 2 * PHASE_MINUTES, after: 3 * PHASE_MINUTES + 1 },
  }
}

type Moments = readonly [before: Moment, during: Moment, mended: Moment, after: Moment]

/** A replica gets no processor for half a second, again and again. */
export async function starve({ signal }: Replica): Promise<void> {
  for (let times = 0; times < 3; times += 1) {
    signal('SIGSTOP')
    await pause(500)
    signal('SIGCONT')
    await pause(50)
  }
}
