import { availableParallelism } from 'node:os'
import packageJson from '../../package.json' with { type: 'json' }
import type { LoadedConfig } from '../config/load.ts'
import type { UpstreamConfig } from '../config/schema.ts'
import { startGateway } from '../gateway.ts'
import { createLogger, type Logger } from '../observability/log.ts'
import type { Tracing } from '../observability/trace.ts'
import { reloadOnChange } from './reload-on-change.ts'
import { StartError } from './start-error.ts'
import { openTracing } from './tracing.ts'
import { resolveUpstreams } from './upstreams.ts'

type DevConfig = Extract<UpstreamConfig, { provider: 'dev' }>

/**
 * Serves until a signal comes: in this process, or in as many as the configuration wants.
 *
 * @throws the socket's error where a port cannot be bound; StartError
 */
export async function start(given: LoadedConfig): Promise<void> {
  const { file, config, files } = given
  const { upstream, workers, log } = config
  const count = workers === 'auto' ? availableParallelism() : workers
  const lostLines = { value: 0 }
  if (count > 1) {
    const logger = createLogger(log.level, undefined, undefined, lostLines)
    // Loaded only here: one process does without all of it.
    const { startCrew } = await import('./workers/primary.ts')
    const { drain, stopReloading } = await startCrew(given, count, logger, lostLines)
    return drainOnSignal(drain, logger, async () => stopReloading())
  }
  const tracing = await openTracing(process.env, packageJson.version)
  if (upstream?.provider === 'dev') return startForDevelopment(given, upstream, tracing)
  const logger = createLogger(log.level, undefined, tracing?.logFields, lostLines)
  tracing?.tellFaults(logger)
  const parts = { lostLines, ...(tracing && { tracing }) }
  const gateway = await startGateway(config, resolveUpstreams(config), logger, parts)
  const stop = reloadOnChange({
    ...{ file, files, env: process.env, count: gateway.metrics.reload, logger },
    apply: next => gateway.reload(next, resolveUpstreams(next)),
  })
  drainOnSignal(gateway.drain, logger, async () => stop())
}

async function startForDevelopment(
  { file, config, files }: LoadedConfig,
  { port, sampleBackends }: DevConfig,
  tracing: Tracing | undefined,
): Promise<void> {
  const { startDevelopment } = await importDevelopment()
  const { publicUrl, ops, backends, log } = config
  const development = await startDevelopment({
    publicUrl,
    opsUrl: `http://${ops.host}:${ops.port}`,
    logLevel: log.level,
    idpPort: port,
    sampleBackends,
    backends,
    ...(tracing && { logFields: tracing.logFields }),
  })
  const { logger, idp, announce, close } = development
  const upstreams = resolveUpstreams(config, idp)
  tracing?.tellFaults(logger)
  const gateway = await startGateway(config, upstreams, logger, tracing && { tracing })
  const stop = reloadOnChange({
    ...{ file, files, env: process.env, count: gateway.metrics.reload, logger },
    apply: next => gateway.reload(next, upstreams),
  })
  drainOnSignal(gateway.drain, logger, () => {
    stop()
    return close()
  })
  announce()
}

/** The embedded IdP is loaded only here, so that nothing of it is part of a production start; the package and the image are without it. */
async function importDevelopment() {
  try {
    return await import('../dev/development.ts')
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) {
      throw cause
    }
    throw new StartError(
      2,
      'provider: dev is only in a checkout of the repository, with its development dependencies: start it there with `npm start`, or configure an identity provider of your own',
      { cause },
    )
  }
}

function drainOnSignal(
  drain: () => Promise<void>,
  logger: Logger,
  afterwards: () => Promise<void>,
): void {
  let isDraining = false
  const onSignal = async (signal: NodeJS.Signals): Promise<void> => {
    if (isDraining) {
      logger.warn({ signal }, 'ending at once')
      logger.flush()
      process.exit(1)
    }
    isDraining = true
    logger.info({ signal }, 'draining')
    await drain()
    await afterwards()
    logger.info('stopped')
    logger.flush()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
