import { waitFor } from '../../support/wait-for.ts'
import { call, callUntilGood, type Session, signIn } from '../client.ts'
import type { Scene } from './scene.ts'
import { IN_FLIGHT_AT_MOST, recordFault, type Stage } from './stage.ts'

/** As many as it takes to leave one of two instances alone, whichever of them is chosen. */
const CALLS = 15
/** As many where both fail each call. More would make it longer until the instance is tried again. */
const CALLS_TO_BOTH = 5

export const BACKEND_SCENES: readonly Scene[] = [
  {
    fault: 'no instance of a backend runs',
    alerts: ['McpGatewayBackendUnreachable', 'McpGatewayBackendInstanceEjected'],
    record: stage =>
      recordCalls(
        stage,
        () => Promise.all(stage.instances.map(({ goDown }) => goDown())),
        () => Promise.all(stage.instances.map(({ comeBack }) => comeBack())),
        CALLS_TO_BOTH,
      ),
  },
  {
    fault: 'one instance of a backend does not run',
    alerts: ['McpGatewayBackendInstanceEjected'],
    record: stage => recordCalls(stage, stage.instances[0]!.goDown, stage.instances[0]!.comeBack),
  },
  {
    fault: 'a backend answers 500',
    alerts: ['McpGatewayBackendErrors', 'McpGatewayBackendInstanceEjected'],
    record: stage => {
      const all = async (mode: 'well' | 'fail') => {
        for (const { behave } of stage.instances) behave(mode)
      }
      return recordCalls(
        stage,
        () => all('fail'),
        () => all('well'),
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

/** Calls through each replica while the backend is in trouble; afterwards, until each instance is back in use. */
async function recordCalls(
  stage: Stage,
  provoke: () => Promise<unknown>,
  mend: () => Promise<unknown>,
  calls = CALLS,
) {
  const { house } = stage
  const session = await signIn(house)
  return recordFault(
    stage,
    async () => {
      await provoke()
      for (const replica of house.replicas)
        for (let n = 0; n < calls; n += 1) await call(session, replica)
    },
    async () => {
      await mend()
      await allServing(stage, session)
    },
  )
}

/** An instance that was left alone is tried again by calls. */
async function allServing({ house }: Stage, session: Session): Promise<void> {
  for (const replica of house.replicas) {
    await callUntilGood(session, replica, 15_000)
    await waitFor(
      async () => {
        await call(session, replica)
        const text = await (await fetch(`${replica.opsOrigin}/metrics`)).text()
        return text.includes('mcp_gateway_backend_instances{backend="crm",state="ejected"} 0')
      },
      { what: 'both instances to serve again', timeoutMs: 30_000, intervalMs: 200 },
    )
  }
}
