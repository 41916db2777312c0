import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { mintKey } from '../../../src/domain/key-ring.ts'
import { findFreePorts } from '../../support/free-port.ts'
import {
  type GatewayProcess,
  startGateway,
  startGatewayFrom,
} from '../../support/gateway-process.ts'
import type { Moment } from '../../support/prometheus/recording.ts'
import { waitFor } from '../../support/wait-for.ts'
import type { Scene } from './scene.ts'
import { type Recording, recordingOf, type Stage, scrape } from './stage.ts'

const RELOAD = 'config_last_reload_successful'
const ROOT = join(import.meta.dirname, '../../..')

/** Gateways of their own, through which no call passes. */
export const SETTING_SCENES: readonly Scene[] = [
  {
    fault: 'a changed configuration has faults',
    alerts: ['McpGatewayReloadFailed'],
    record: () => inFolder(recordBrokenFile),
  },
  {
    fault: 'a replica is left on another version',
    alerts: ['McpGatewayVersionsDiffer'],
    record: () => inFolder(recordVersions),
  },
  {
    fault: 'workers of a replica die',
    alerts: ['McpGatewayWorkersLost'],
    record: recordLosses,
  },
  {
    fault: 'nobody reads the log of a replica any more',
    alerts: ['McpGatewayLogLinesLost'],
    record: recordLostLines,
  },
]

async function inFolder(act: (folder: string) => Promise<Recording>): Promise<Recording> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  try {
    return await act(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function createConfig(): Promise<Record<string, unknown>> {
  const [port, opsPort] = await findFreePorts(2)
  return {
    publicUrl: 'http://127.0.0.1:8080',
    listen: { host: '127.0.0.1', port },
    ops: { port: opsPort },
    upstream: {
      ...{ provider: 'oidc', issuer: 'http://127.0.0.1:9', clientId: 'a', clientSecret: 'b' },
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:9/mcp'] }],
  }
}

async function recordBrokenFile(folder: string): Promise<Recording> {
  const file = join(folder, 'gateway.yaml')
  const text = stringify(await createConfig())
  await writeFile(file, text)
  const gateway = await startGatewayFrom(file)
  try {
    const first = await observe([gateway])
    const before = await observe([gateway])
    await writeFile(file, `${text}backend: []\n`)
    const during = await until([gateway], RELOAD, is(0))
    await writeFile(file, text)
    return recordingOf(first, [
      before,
      during,
      await until([gateway], RELOAD, is(1)),
      await observe([gateway]),
    ])
  } finally {
    await gateway.kill()
  }
}

/** One that a rollout has left behind: the same source under another version. */
async function recordVersions(folder: string): Promise<Recording> {
  await Promise.all([
    cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true }),
    symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules')),
    readFile(join(ROOT, 'package.json'), 'utf8').then(text =>
      writeFile(
        join(folder, 'package.json'),
        text.replace(/"version": ".*"/, '"version": "0.0.9"'),
      ),
    ),
  ])
  const keys = [mintKey()]
  const start = async (root = ROOT) =>
    startGateway({ config: { ...(await createConfig()), keys }, root })
  const [first, second, left] = [await start(), await start(), await start(folder)]
  try {
    const moments = [await observe([first, second]), await observe([first, left])] as const
    const after = await observe([first, second])
    return recordingOf(moments[0], [moments[0], moments[1], after, after])
  } finally {
    await Promise.all([first, second, left].map(gateway => gateway.kill()))
  }
}

/** One a minute. */
async function recordLosses({ house }: Stage): Promise<Recording> {
  const config = {
    ...(await createConfig()),
    ...{ keys: [mintKey()], redis: { url: house.redis!.url }, workers: 2 },
  }
  const gateway = await startGateway({ config })
  try {
    const before = await until([gateway], 'workers', is(2))
    const [worker] = await workersOf(gateway)
    process.kill(Number(worker), 'SIGKILL')
    await until([gateway], 'worker_losses_total', is(1))
    const during = await until([gateway], 'workers', is(2))
    const after = await observe([gateway])
    return recordingOf(before, [before, during, after, after])
  } finally {
    await gateway.kill()
  }
}

async function recordLostLines(): Promise<Recording> {
  const gateway = await startGateway({ config: await createConfig() })
  try {
    const before = await observe([gateway])
    gateway.stopReading()
    // It says that it has read its configuration again.
    process.kill(gateway.pid, 'SIGHUP')
    const during = await until([gateway], 'log_lines_lost_total', value => value > 0)
    const after = await observe([gateway])
    return recordingOf(before, [before, during, after, after])
  } finally {
    await gateway.kill()
  }
}

async function workersOf({ pid }: GatewayProcess): Promise<string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim().split(' ')
}

async function observe(gateways: readonly GatewayProcess[]): Promise<Moment> {
  const scrapes = gateways.map(async ({ opsOrigin }, index) => [
    `gateway-${index + 1}`,
    await scrape(opsOrigin),
  ])
  return Object.fromEntries(await Promise.all(scrapes))
}

/** Waits until the first of them says that a metric has this value. */
function is(wanted: number) {
  return (value: number): boolean => value === wanted
}

async function until(
  gateways: readonly GatewayProcess[],
  metric: string,
  isReached: (value: number) => boolean,
): Promise<Moment> {
  const moment = await waitFor(
    async () => {
      const moment = await observe(gateways)
      const { samples } = moment['gateway-1']!
      const sample = samples.find(({ name }) => name === `mcp_gateway_${metric}`)
      return sample && isReached(sample.value) ? moment : undefined
    },
    { what: `${metric} to be as it is to be`, timeoutMs: 15_000, intervalMs: 50 },
  )
  if (!moment) throw new Error('no moment')
  return moment
}
