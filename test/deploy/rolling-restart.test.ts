import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readCompose } from '../support/topology/compose.ts'
import { type RunningService, startTopology, type Topology } from '../support/topology/start.ts'
import { waitFor } from '../support/wait-for.ts'
import { startLoad } from './calls.ts'
import { refreshTokens, signInAt } from './session.ts'

const COMPOSE = join(import.meta.dirname, '../../deploy/compose.yaml')
const REPLICAS = ['gateway-1', 'gateway-2', 'gateway-3']
/** Longer than the load balancer needs to notice, so that each is open when its replica stops accepting. */
const STREAM_SECONDS = 8

let topology: Topology
let balancer: RunningService
let publicUrl: string

beforeAll(async () => {
  topology = await startTopology(COMPOSE)
  balancer = topology.services.get('load-balancer')!
  publicUrl = balancer.origin(8080).replace('127.0.0.1', 'localhost')
}, 60_000)

afterAll(() => topology?.close())

/** Whether the load balancer has let it back in: then it has answered a call. */
async function hasServedAgain(replica: RunningService): Promise<boolean> {
  const text = await (await fetch(`${replica.origin(9090)}/metrics`)).text()
  return /^mcp_gateway_requests_total\{.*outcome="ok".*\} [1-9]/m.test(text)
}

describe('restarting every replica in turn, under load', () => {
  it('loses no request and cuts no stream', async () => {
    const mcpUrl = `${publicUrl}/crm/mcp`
    let session = await signInAt(mcpUrl)
    const refresh = async () => {
      session = await refreshTokens(session)
    }
    const load = startLoad({
      ...{ mcpUrl, accessToken: session.accessToken, refresh },
      ...{ concurrency: 2, streamSeconds: STREAM_SECONDS },
    })
    await load.more(20)
    for (const name of REPLICAS) {
      const replica = topology.services.get(name)!
      expect(await replica.stop(), replica.logs()).toBe(0)
      await replica.start()
      await waitFor(() => hasServedAgain(replica), {
        what: `${name} to be in again`,
        timeoutMs: 20_000,
        intervalMs: 100,
      })
    }
    await load.stop()
    const { calls, streams, refreshes, lost } = load
    process.stdout.write(
      `rolling restart of 3: ${calls} calls, ${streams} streams, ${refreshes} refreshes, ${lost.length} lost\n`,
    )
    expect(lost).toEqual([])
    expect(calls).toBeGreaterThan(100)
    expect(streams).toBeGreaterThan(3)
    expect(refreshes).toBeGreaterThan(10)
    for (const name of REPLICAS) {
      expect(
        topology.services
          .get(name)!
          .logs()
          .match(/"msg":"stopped"/g),
      ).toHaveLength(1)
    }
  }, 150_000)

  it('leaves a replica more time than its drain takes before it is killed', async () => {
    const config = parse(await readFile(join(COMPOSE, '../compose/gateway.config.yaml'), 'utf8'))
    const seconds = (text: string) => Number.parseInt(text, 10)
    const { delay, deadline } = config.drain
    for (const service of readCompose(COMPOSE).filter(({ kind }) => kind === 'build')) {
      expect(service.stopGraceMs / 1000).toBeGreaterThan(seconds(delay) + seconds(deadline))
    }
    const [, inter, fall] =
      /inter (\d+)s fall (\d+)/.exec(
        await readFile(join(COMPOSE, '../compose/haproxy.cfg'), 'utf8'),
      ) ?? []
    expect(seconds(delay)).toBeGreaterThan(2 * Number(inter) * Number(fall))
  })
})
