import { mintKey } from '../../../src/domain/key-ring.ts'
import type { Stretch } from '../../support/prometheus/recording.ts'
import { waitFor } from '../../support/wait-for.ts'
import { call, type Session, signIn } from '../client.ts'
import type { Scene } from './scene.ts'
import { observe, type Recording, recordFault, type Stage, starve, useAll } from './stage.ts'

export const PROCESS_SCENES: readonly Scene[] = [
  {
    fault: 'one replica does not run',
    alerts: ['McpGatewayReplicaDown'],
    record: stage => recordFault(stage, second(stage).kill, second(stage).start),
  },
  {
    fault: 'no replica runs',
    alerts: ['McpGatewayAbsent', 'McpGatewayReplicaDown'],
    record: stage => {
      const { replicas } = stage.house
      return recordFault(
        stage,
        () => Promise.all(replicas.map(({ kill }) => kill())),
        () => Promise.all(replicas.map(({ start }) => start())),
      )
    },
  },
  {
    fault: 'a replica crashes again and again',
    alerts: ['McpGatewayRestarting'],
    record: recordCrashes,
  },
  {
    fault: 'a replica has keys of its own',
    alerts: ['McpGatewayConfigDiffers', 'McpGatewayTokensRefused'],
    record: async stage => {
      const { house } = stage
      const session = await signIn(house)
      return recordFault(
        stage,
        async () => {
          await restart(stage, { keys: [mintKey()] })
          for (let n = 0; n < 10; n += 1) await call(session, second(stage))
        },
        () => restart(stage),
      )
    },
  },
  {
    fault: 'a replica has another configuration',
    alerts: ['McpGatewayConfigDiffers'],
    record: stage =>
      recordFault(
        stage,
        () => restart(stage, { lifetimes: { accessToken: '5m' } }),
        () => restart(stage),
      ),
  },
  {
    fault: 'the gateway has a defect',
    alerts: ['McpGatewayOwnErrors'],
    record: async stage => {
      const session = await signIn(stage.house)
      const toggle = async () => second(stage).signal('SIGUSR2')
      return recordFault(
        stage,
        async () => {
          await toggle()
          await answerOf(stage, session, 500)
        },
        async () => {
          await toggle()
          await answerOf(stage, session, 200)
        },
      )
    },
  },
  {
    fault: 'a replica gets too little processor time',
    alerts: ['McpGatewayEventLoopLag'],
    mayFire: ['McpGatewayStoreSlow'],
    record: stage =>
      recordFault(
        stage,
        () => starve(second(stage)),
        () => calm(stage),
      ),
  },
]

function second({ house }: Stage) {
  return house.replicas[1]!
}

async function restart(stage: Stage, config: Record<string, unknown> = {}): Promise<void> {
  await second(stage).kill()
  await second(stage).start({ config })
}

/** One start in ten minutes. */
async function recordCrashes(stage: Stage): Promise<Recording> {
  await useAll(stage)
  const first = await observe(stage)
  await useAll(stage)
  const stretches: Stretch[] = [{ until: await observe(stage), minutes: 90 }]
  for (let crashes = 0; crashes < 5; crashes += 1) {
    await restart(stage)
    stretches.push({ until: await observe(stage), minutes: 10 })
  }
  await useAll(stage)
  stretches.push({ until: await observe(stage), minutes: 90 })
  return { first, stretches, at: { before: 90, during: 140, after: 230 } }
}

function answerOf(stage: Stage, session: Session, status: number): Promise<boolean> {
  return waitFor(async () => (await call(session, second(stage))).status === status, {
    what: `a call to be answered with ${status}`,
  })
}

async function calm(stage: Stage): Promise<void> {
  await waitFor(
    async () => {
      const text = await (await fetch(`${second(stage).opsOrigin}/metrics`)).text()
      const [, lag = '1'] = /^mcp_gateway_nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text) ?? []
      return Number(lag) < 0.1
    },
    { what: 'the event loop to be in time', timeoutMs: 20_000, intervalMs: 300 },
  )
}
