import type { AccessRule } from '../domain/access-rule.ts'
import type { Scope } from '../domain/scope.ts'
import type { Logger } from '../observability/log.ts'
import { type Balancer, createBalancer } from './balancer.ts'
import type { Connector } from './exchange.ts'
import { createPlainConnector } from './http1/plain-connector.ts'
import type { BackendObserver } from './observer.ts'
import type { Policy } from './policy.ts'
import type { ProtectedResource } from './protected-resource.ts'
import { createUndiciConnector } from './undici-connector.ts'

export type BackendOptions = {
  /** For the log and for people. */
  name: string
  /** Exact path of the MCP endpoint. */
  path: string
  /** `publicUrl` + `path`. */
  resource: string
  /** URLs of the instances' own MCP endpoints. */
  instances: readonly string[]
  /** What the challenge tells a client to ask for. */
  scopes: Scope
  /** Who may do what; nothing where everybody may do everything. */
  policy?: Policy | undefined
  /** Whom of those who hold a grant it lets in, by what the upstream says of them by now. */
  allow?: AccessRule | undefined
  /** Whether what it lists is kept for as long as it says. */
  keepsLists?: boolean
  connectTimeoutMs: number
  /** From the request's last byte to the answer's head. Afterwards an answer may take for ever. */
  headersTimeoutMs: number
}

export type Instance = {
  /** Origin; for the log. */
  origin: string
  /** Path of its MCP endpoint. */
  path: string
  /** Query of its URL with the question mark, or nothing. */
  search: string
  connector: Connector
}

export type Backend = ProtectedResource & {
  policy: Policy | undefined
  allow: AccessRule | undefined
  balancer: Balancer<Instance>
  observer?: BackendObserver
  close(): Promise<void>
}

export type BackendSurroundings = {
  /** Connections to one instance: as many as requests may be in flight, so that none waits behind streams that stay open. */
  connections: number
  now: () => number
  random: () => number
  logger: Logger
}

export function createBackend(
  options: BackendOptions,
  { connections, now, random, logger }: BackendSurroundings,
): Backend {
  const { name, path, resource, scopes, policy, allow } = options
  const instances = options.instances.map(url => createInstance(new URL(url), options, connections))
  const onChange = (instance: Instance, change: 'ejected' | 'returned'): void =>
    logger.warn({ backend: name, instance: instance.origin }, `instance ${change}`)
  return {
    name,
    path,
    resource,
    scopes,
    policy,
    allow,
    balancer: createBalancer(instances, { now, random, onChange }),
    async close() {
      await Promise.all(instances.map(instance => instance.connector.close()))
    },
  }
}

function createInstance(
  url: URL,
  { connectTimeoutMs, headersTimeoutMs }: BackendOptions,
  connections: number,
): Instance {
  const options = { connections, connectTimeoutMs, headersTimeoutMs }
  const connector =
    url.protocol === 'http:'
      ? createPlainConnector(url, options)
      : createUndiciConnector(url.origin, options)
  return { origin: url.origin, path: url.pathname, search: url.search, connector }
}
