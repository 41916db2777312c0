/** The process that watches over the workers: it serves operators, and leaves the requests to them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import packageJson from '../../../package.json' with { type: 'json' }
import type { ConfigFiles, LoadedConfig } from '../../config/load.ts'
import type { GatewayConfig } from '../../config/schema.ts'
import { createOpsApp, type Readiness } from '../../http/ops.ts'
import type { Logger, LostLines } from '../../observability/log.ts'
import { createMetrics, type Metrics } from '../../observability/metrics.ts'
import { fingerprintConfig } from '../config-fingerprint.ts'
import { createOpsServer } from '../ops.ts'
import { type ReloaderOptions, reloadOnChange } from '../reload-on-change.ts'
import { resolveUpstreams } from '../upstreams.ts'
import { type Crew, createCrew } from './crew.ts'
import type { Member } from './member.ts'
import {
  describeConfiguration,
  type ReloadAnswer,
  reloadAnswer,
  WORKER_COMMAND,
} from './messages.ts'
import { type CrewMetrics, createCrewMetrics } from './metrics.ts'
import { type CrewOps, createCrewOps } from './ops.ts'

/** Workers that serve. */
export type RunningCrew = {
  /** As that of one process, in all of them at once. Resolves when none is left. */
  drain(): Promise<void>
  stopReloading(): void
}

/** A reload builds everything anew, and waits for nothing else. */
const RELOAD_DEADLINE_MS = 30_000
/** What a worker may take to end beyond what the configuration gives its requests. */
const END_WITHIN_MS = 10_000

/**
 * Opens the ops listener, starts the workers and waits until all serve. The public port is theirs: each listens on it, and the system spreads the connections; see `docs/decisions/0013-workers.md`.
 *
 * @throws the socket's error where a port cannot be bound; StartError where the workers do not come to serve
 */
export async function startCrew(
  given: LoadedConfig,
  count: number,
  logger: Logger,
  lostLines: LostLines,
): Promise<RunningCrew> {
  const { file, config } = given
  const metrics = createMetrics(packageJson.version, lostLines)
  metrics.configured(fingerprintConfig(config))
  const crewMetrics = createCrewMetrics(() => crew.serving().length)
  const current = { config, files: given.files }
  const crew = createCrew({
    ...{ count, logger, fork: forkWorker, onLoss: crewMetrics.lost },
    instructions: () => ({ kind: 'start', ...describeConfiguration(file, current.files) }),
  })
  // Whatever ends this process ends them, even one that hangs.
  process.once('exit', crew.kill)
  const ops = createOps(crew, metrics, crewMetrics)
  await ops.listen(config.ops.port, config.ops.host)
  try {
    await checkPort(config.listen)
    await crew.start()
  } catch (error) {
    await ops.close()
    throw error
  }
  ops.serving()
  logger.info({ workers: count }, 'all workers serve')
  const apply = createApply(file, current, crew, metrics, logger)
  return {
    stopReloading: reloadOnChange({
      ...{ file, files: given.files, env: process.env },
      ...{ logger, apply, count: metrics.reload },
    }),
    drain: async () => {
      const { delayMs, deadlineMs } = current.config.drain
      ops.draining()
      await crew.drain(delayMs + deadlineMs + END_WITHIN_MS)
      await ops.close()
    },
  }
}

/** @param current what workers start with from now on; it is changed */
function createApply(
  file: string,
  current: { config: GatewayConfig; files: ConfigFiles },
  crew: Crew,
  metrics: Metrics,
  logger: Logger,
): ReloaderOptions['apply'] {
  return async (config, files) => {
    // Faults beyond the schema's are heard once, here.
    resolveUpstreams(config)
    const before = current.files
    // First, so that a worker that starts meanwhile is not left behind.
    current.files = files
    try {
      const fixed = await reloadAll(crew, describeConfiguration(file, files), logger)
      current.config = config
      metrics.configured(fingerprintConfig(config))
      logger.level = config.log.level
      return fixed
    } catch (error) {
      current.files = before
      throw error
    }
  }
}

/** The same program, in the same environment. */
function forkWorker(id: number): ChildProcess {
  return fork(process.argv[1] ?? '', [WORKER_COMMAND, `${id}`])
}

/** The workers share the port with whoever wants to, so it is looked for strangers before. @throws the socket's error */
async function checkPort({ host, port }: GatewayConfig['listen']): Promise<void> {
  const server = createServer().listen(port, host)
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

/** The ops listener, for all workers. */
function createOps(crew: Crew, metrics: Metrics, crewMetrics: CrewMetrics) {
  const crewOps = createCrewOps(crew.serving)
  let phase: Readiness['phase'] = 'starting'
  let haveStarted = false
  const readiness = async (): Promise<Readiness> => {
    const isStoreReachable = await crewOps.isStoreReachable()
    if (phase === 'starting' && haveStarted && isStoreReachable) phase = 'serving'
    const isNobodyThere = phase === 'serving' && crew.serving().length === 0
    return { phase: isNobodyThere ? 'starting' : phase, isStoreReachable }
  }
  const app = createOpsApp({
    readiness,
    metrics: () => renderMetrics(metrics, crewMetrics, crewOps),
    admin: crewOps.admin,
  })
  return {
    ...createOpsServer(app),
    serving: () => {
      haveStarted = true
    },
    draining: () => {
      phase = 'draining'
    },
  }
}

async function renderMetrics(metrics: Metrics, crewMetrics: CrewMetrics, crewOps: CrewOps) {
  const [{ contentType, text }, answers] = await Promise.all([
    metrics.render({
      ...{ eventStreams: () => 0, requestsInFlight: () => 0, instances: () => [] },
      keptLists: () => ({ entries: 0, bytes: 0 }),
      cacheSizes: () => new Map(),
      isStoreReachable: crewOps.isStoreReachable,
    }),
    crewOps.metrics(),
  ])
  return { contentType, text: await crewMetrics.render(text, answers) }
}

/** @throws Error where one did not take it */
async function reloadAll(
  crew: Crew,
  configuration: ReturnType<typeof describeConfiguration>,
  logger: Logger,
): Promise<readonly string[]> {
  const answers = await Promise.all(
    crew.informed().map(async member => {
      const answer = await reload(member, configuration)
      if (answer && 'failure' in answer) {
        logger.error({ worker: member.id, failure: answer.failure }, 'worker not reloaded')
      }
      if (answer && 'fixed' in answer) logger.info({ worker: member.id }, 'worker reloaded')
      return answer ?? { fixed: [] }
    }),
  )
  const failures = answers.flatMap(answer => ('failure' in answer ? [answer.failure] : []))
  if (failures.length > 0) throw new Error(failures.join('\n'))
  return [...new Set(answers.flatMap(answer => ('fixed' in answer ? answer.fixed : [])))]
}

/** @returns nothing of a worker that has ended meanwhile: the next in its place starts with the new one */
async function reload(
  member: Member,
  configuration: ReturnType<typeof describeConfiguration>,
): Promise<ReloadAnswer | undefined> {
  try {
    const question = { kind: 'reload', ...configuration } as const
    return reloadAnswer.parse(await member.ask(question, RELOAD_DEADLINE_MS))
  } catch (error) {
    return member.isInformed() ? { failure: String(error) } : undefined
  }
}
