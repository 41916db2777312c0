import { parse, stringify } from 'yaml'
import { ConfigError, type Fault } from '../../src/config/error.ts'
import { parseConfig } from '../../src/config/parse.ts'
import type { Environment } from '../../src/config/references.ts'
import type { GatewayConfig } from '../../src/config/schema.ts'

export const KEY = Buffer.alloc(32, 1).toString('base64')
export const OTHER_KEY = Buffer.alloc(32, 2).toString('base64')

export const OIDC = {
  provider: 'oidc',
  issuer: 'https://login.example.com',
  clientId: 'gateway',
  clientSecret: 'upstream-secret',
}

export const MINIMAL = {
  publicUrl: 'https://mcp.example.com',
  upstream: OIDC,
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1:8080/mcp'] }],
}

/** A backend that needs nobody to have signed in. */
export const LOGINLESS = {
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1:8080/mcp'], credential: 'none' }],
}

export const LOCAL = {
  ...MINIMAL,
  publicUrl: 'http://localhost:8080',
  upstream: { provider: 'dev' },
}

export type Surroundings = { env?: Environment; files?: Record<string, string> }

export function read(text: string, { env = {}, files = {} }: Surroundings = {}): GatewayConfig {
  return parseConfig(text, {
    file: 'gateway.config.yaml',
    env,
    readFile: path => {
      const content = files[path]
      if (content === undefined) throw Object.assign(new Error('missing'), { code: 'ENOENT' })
      return content
    },
  })
}

export function readTree(tree: unknown, surroundings?: Surroundings): GatewayConfig {
  return read(stringify(tree, { blockQuote: false }), surroundings)
}

/** All faults of a text; none where it is right. Anything thrown but a `ConfigError` fails the test. */
export function faultsOf(text: string, surroundings?: Surroundings): readonly Fault[] {
  try {
    read(text, surroundings)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

/** `path: message` of each fault of the minimal configuration with other top-level values. */
export function complaints(
  overrides: Record<string, unknown>,
  surroundings?: Surroundings,
  base: object = MINIMAL,
): string[] {
  const faults = faultsOf(stringify({ ...base, ...overrides }), surroundings)
  return faults.map(({ path, message }) => `${path}: ${message}`)
}

export function parseYaml(text: string): Record<string, unknown> {
  return parse(text) as Record<string, unknown>
}
