import { resolve } from 'node:path'
import { ConfigError, renderFault } from '../config/error.ts'
import { type ConfigFiles, loadConfig } from '../config/load.ts'
import type { Environment } from '../config/references.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { watchFiles } from '../config/watch.ts'
import { digest } from '../domain/secret.ts'
import type { Logger } from '../observability/log.ts'

export type ReloaderOptions = {
  /** Path of the configuration. */
  file: string
  /** What is in effect. */
  files: ConfigFiles
  env: Environment
  /**
   * Puts into effect what was read and has no fault.
   *
   * @returns the settings that differ and need a restart
   * @throws where nothing has changed
   */
  apply(config: GatewayConfig, files: ConfigFiles): readonly string[] | Promise<readonly string[]>
  /** Learns how each reload ended. */
  count(succeeded: boolean): void
  logger: Logger
}

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
  let seen = fingerprint(options.files)
  let underWay = Promise.resolve()
  const reload = (isAsked: boolean): void => {
    const files = readFiles(file, env)
    watch.follow(files.keys())
    const fresh = fingerprint(files)
    // A folder changes for many reasons, and a fault is told once.
    if (fresh === seen && !isAsked) return
    seen = fresh
    underWay = underWay.then(() => putIntoEffect(options))
  }
  const onHangUp = (): void => reload(true)
  process.on('SIGHUP', onHangUp)
  // It may have changed since it was read: a start takes as long as what it waits for.
  reload(false)
  return () => {
    process.removeListener('SIGHUP', onHangUp)
    watch.close()
  }
}

async function putIntoEffect(options: ReloaderOptions): Promise<void> {
  const { file, env, apply, count, logger } = options
  try {
    const files = new Map<string, string>()
    const config = loadConfig(file, env, (path, text) => files.set(path, text))
    const fixed = await apply(config, files)
    count(true)
    logger.info({ file }, 'configuration reloaded')
    if (fixed.length > 0) {
      logger.warn({ settings: fixed }, 'these settings have changed and need a restart')
    }
  } catch (error) {
    count(false)
    const said =
      error instanceof ConfigError
        ? { faults: error.faults.map(fault => renderFault(file, fault)) }
        : { err: error }
    logger.error({ file, ...said }, 'the configuration was not reloaded; the one before it goes on')
  }
}

/** What could be read, whatever is wrong with it. */
function readFiles(file: string, env: Environment): ConfigFiles {
  // Even while it is missing, the folder where it will be is watched.
  const files = new Map([[resolve(file), '']])
  try {
    loadConfig(file, env, (path, text) => files.set(path, text))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
  return files
}

/** Of secrets too, so it is a digest. */
function fingerprint(files: ConfigFiles): string {
  return digest(JSON.stringify([...files]))
}
