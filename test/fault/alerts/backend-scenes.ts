import { waitFor } from '../../support/wait-for.ts'
import { call, callUntilGood, type Session, signIn } from '../client.ts'
import type { Scene } from './scene.ts'
import { IN_FLIGHT_AT_MOST, recordFault, type Stage } from './stage.ts'

const CALLS = 10

export const BACKEND_SCENES: readonly Scene[] = [
  {
    fault: 'no instance of a backend runs',
    alerts: ['McpGatewayBackendUnreachable', 'McpGatewayBackendInstanceEjected'],
    record: stage =>
      recordCalls(
        stage,
        () => Promise.all(stage.instances.map(({ goDown }) => goDown())),
        () => Promise.all(stage.instances.map(({ comeBack }) => comeBack())),
      ),
  },
  {
    fault: 'one instance of a backend does not run',
    alerts: ['McpGatewayBackendInstanceEjected'],
    record: stage => recordCalls(stage, stage.instances[0]!.goDown, stage.instances[0]!.comeBack),
  },
  {
    fault: 'a backend answers 500',
    alerts: ['McpGatewayBackendErrors'],
    record: async stage => {
      const { house, instances } = stage
      const session = await signIn(house)
      return recordFault(
        stage,
        async () => {
          for (const { behave } of instances) behave('fail')
          for (let n = 0; n < CALLS; n += 1) await call(session, house.front)
        },
        async () => {
          for (const { behave } of instances) behave('well')
          await callUntilEjected(stage, session, 0)
        },
      )
    },
  },
  {
    fault: 'more calls come than a replica takes',
    alerts: ['McpGatewayOverloaded'],
    record: async stage => {
      const { house, instances } = stage
      const session = await signIn(house)
      const calls: Promise<unknown>[] = []
      return recordFault(
        stage,
        async () => {
          for (const { behave } of instances) behave('hang')
          let refused = 0
          for (let n = 0; n < 2 * IN_FLIGHT_AT_MOST; n += 1) {
            const answer = call(session, house.replicas[0]!).then(({ status }) => {
              if (status === 503) refused += 1
            })
            calls.push(answer)
          }
          await waitFor(() => refused > 0, { what: 'a call to be refused' })
        },
        async () => {
          for (const { behave } of instances) behave('well')
          await Promise.all(calls)
        },
      )
    },
  },
]

/** Calls through each replica while the backend is in trouble, until an instance is left alone; afterwards, until each is back in use. */
async function recordCalls(
  stage: Stage,
  provoke: () => Promise<unknown>,
  mend: () => Promise<unknown>,
) {
  const session = await signIn(stage.house)
  return recordFault(
    stage,
    async () => {
      await provoke()
      await callUntilEjected(stage, session, 1)
    },
    async () => {
      await mend()
      for (const replica of stage.house.replicas) await callUntilGood(session, replica, 15_000)
      await callUntilEjected(stage, session, 0)
    },
  )
}

/**
 * Calls each replica until so many instances are left alone there, and not once more: the oftener one fails, the longer it takes until it is tried again. One that was left
 * alone before gets few calls at first.
 */
async function callUntilEjected({ house }: Stage, session: Session, count: number): Promise<void> {
  for (const replica of house.replicas) {
    await waitFor(
      async () => {
        await call(session, replica)
        const text = await (await fetch(`${replica.opsOrigin}/metrics`)).text()
        return text.includes(`backend_instances{backend="crm",state="ejected"} ${count}`)
      },
      { what: `${count} instances to be left alone`, timeoutMs: 45_000, intervalMs: 20 },
    )
  }
}
