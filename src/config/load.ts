import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from './error.ts'
import { parseConfig } from './parse.ts'
import { type Environment, unreadableBecause } from './references.ts'
import type { GatewayConfig } from './schema.ts'

/** The texts that a configuration consists of, by path: its file, and the files that it refers to. */
export type ConfigFiles = ReadonlyMap<string, string>

/** A configuration, and where it comes from. */
export type LoadedConfig = {
  /** Path of the configuration file. */
  file: string
  config: GatewayConfig
  files: ConfigFiles
}

/**
 * Reads the configuration file at `path`, and the files that it refers to: those are relative to it.
 *
 * @param onRead learns of every file: its path and what it says
 * @throws ConfigError with all faults; also where the file itself cannot be read
 */
export function loadConfig(
  path: string,
  env: Environment,
  onRead: (file: string, text: string) => void = () => {},
): GatewayConfig {
  const folder = dirname(resolve(path))
  const text = readText(path)
  onRead(resolve(path), text)
  return parseConfig(text, {
    file: path,
    env,
    readFile: reference => {
      const file = resolve(folder, reference)
      const content = readFileSync(file, 'utf8')
      onRead(file, content)
      return content
    },
  })
}

/**
 * The same configuration once more, from what `loadConfig` read of it. Pure.
 *
 * @throws ConfigError with all faults
 */
export function parseFiles(path: string, env: Environment, files: ConfigFiles): GatewayConfig {
  const folder = dirname(resolve(path))
  return parseConfig(files.get(resolve(path)) ?? '', {
    file: path,
    env,
    readFile: reference => {
      const content = files.get(resolve(folder, reference))
      if (content === undefined) throw new Error('it was not read')
      return content
    },
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = `cannot be read: ${unreadableBecause(error)}`
    throw new ConfigError(path, [{ path: '', line: 1, column: 1, message }])
  }
}
