import { renderEffective } from '../config/effective.ts'
import { ConfigError, renderFault } from '../config/error.ts'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/references.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { upstreamsOf } from '../config/upstreams.ts'
import { callbackUrlOf } from '../upstream/resolve.ts'

const IN_REDIS = 'state in Redis'
const IN_MEMORY = 'state in memory, for one process only'

type Output = { write(text: string): unknown }

export type CheckOptions = {
  /** Path of the configuration. */
  file: string
  /** Print the configuration with every default, redacted, rather than a summary. */
  effective: boolean
  env: Environment
  stdout: Output
  /** Takes the faults. */
  stderr: Output
}

/**
 * The command `check`: every fault of a configuration on its own line, or what the configuration comes to.
 *
 * @returns the exit code: 0 where the gateway would start, 2 where it would refuse
 */
export function runCheck({ file, effective, env, stdout, stderr }: CheckOptions): 0 | 2 {
  try {
    const config = loadConfig(file, env)
    stdout.write(effective ? renderEffective(config) : summarize(file, config))
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    stderr.write(renderFaults(error))
    return 2
  }
}

/** The faults of a configuration for people: one line each, and how many there are. */
export function renderFaults({ file, faults }: ConfigError): string {
  const lines = faults.map(fault => `${renderFault(file, fault)}\n`)
  return `${lines.join('')}${count(faults.length, 'fault')} in ${file}\n`
}

function summarize(file: string, config: GatewayConfig): string {
  const { publicUrl, backends, redis, authorizationServer } = config
  const upstreams = upstreamsOf(config)
  const providers = upstreams.map(([, { provider }]) => provider).join(' and ')
  const parts = [
    publicUrl,
    ...(authorizationServer ? [`tokens of ${authorizationServer.issuer}`] : []),
    ...(providers === '' ? [] : [`upstream ${providers}`]),
    count(backends.length, 'backend'),
    ...(authorizationServer ? [] : [redis ? IN_REDIS : IN_MEMORY]),
  ]
  const lines = [`${file} is valid: ${parts.join(', ')}`]
  // Otherwise nobody is sent to an IdP, or only to the embedded one.
  if (!authorizationServer && upstreams.some(([, { provider }]) => provider !== 'dev')) {
    lines.push(`Callback URL to register at the IdP: ${callbackUrlOf(config)}`)
  }
  return `${lines.join('\n')}\n`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
