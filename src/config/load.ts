import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from './error.ts'
import { parseConfig } from './parse.ts'
import type { Environment } from './references.ts'
import type { GatewayConfig } from './schema.ts'

/**
 * Reads the configuration file at `path`, and the files that it refers to: those are relative to it.
 *
 * @throws ConfigError with all faults; also where the file itself cannot be read
 */
export function loadConfig(path: string, env: Environment): GatewayConfig {
  const folder = dirname(resolve(path))
  return parseConfig(readText(path), {
    file: path,
    env,
    readFile: reference => readFileSync(resolve(folder, reference), 'utf8'),
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    const message = `cannot be read: ${reason === 'ENOENT' ? 'there is no such file' : reason}`
    throw new ConfigError(path, [{ path: '', line: 1, column: 1, message }])
  }
}
