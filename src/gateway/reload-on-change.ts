import { resolve } from 'node:path'
import { ConfigError, renderFault } from '../config/error.ts'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/references.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { watchFiles } from '../config/watch.ts'
import { digest } from '../domain/secret.ts'
import type { Gateway } from '../gateway.ts'
import type { Logger } from '../observability/log.ts'
import type { UpstreamOptions } from '../upstream/options.ts'

export type ReloaderOptions = {
  /** Path of the configuration. */
  file: string
  env: Environment
  gateway: Gateway
  resolveUpstreams(config: GatewayConfig): readonly UpstreamOptions[]
  logger: Logger
}

/** Everything that a configuration consists of: its file, and the files that it refers to. */
type Sources = Map<string, string>

/**
 * Puts the configuration into effect whenever its file, or one that it refers to, has changed, and on SIGHUP. One with faults changes nothing.
 *
 * @returns how to stop
 */
export function reloadOnChange(options: ReloaderOptions): () => void {
  const { file, env, logger } = options
  const watch = watchFiles(
    () => reload(false),
    err => logger.warn({ err }, 'a folder cannot be watched; send SIGHUP after a change'),
  )
  let seen = fingerprint(readSources(file, env))
  const reload = (isAsked: boolean): void => {
    const sources = readSources(file, env)
    watch.follow(sources.keys())
    const fresh = fingerprint(sources)
    // A folder changes for many reasons, and a fault is told once.
    if (fresh === seen && !isAsked) return
    seen = fresh
    putIntoEffect(options)
  }
  const onHangUp = (): void => reload(true)
  watch.follow(readSources(file, env).keys())
  process.on('SIGHUP', onHangUp)
  return () => {
    process.removeListener('SIGHUP', onHangUp)
    watch.close()
  }
}

function putIntoEffect({ file, env, gateway, resolveUpstreams, logger }: ReloaderOptions): void {
  try {
    const config = loadConfig(file, env)
    const fixed = gateway.reload(config, resolveUpstreams(config))
    gateway.metrics.reload(true)
    logger.info({ file }, 'configuration reloaded')
    if (fixed.length > 0) {
      logger.warn({ settings: fixed }, 'these settings have changed and need a restart')
    }
  } catch (error) {
    gateway.metrics.reload(false)
    const said =
      error instanceof ConfigError
        ? { faults: error.faults.map(fault => renderFault(file, fault)) }
        : { err: error }
    logger.error({ file, ...said }, 'the configuration was not reloaded; the one before it goes on')
  }
}

/** What could be read, whatever is wrong with it. */
function readSources(file: string, env: Environment): Sources {
  // Even while it is missing, the folder where it will be is watched.
  const sources: Sources = new Map([[resolve(file), '']])
  try {
    loadConfig(file, env, (path, text) => sources.set(path, text))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
  return sources
}

/** Of secrets too, so it is a digest. */
function fingerprint(sources: Sources): string {
  return digest(JSON.stringify([...sources]))
}
