import type { AccessRule } from '../domain/access-rule.ts'
import type { Scope } from '../domain/scope.ts'
import type { Logger } from '../observability/log.ts'
import type { BackendObserver } from './backend-observer.ts'
import { type Balancer, createBalancer } from './balancing/balancer.ts'
import type { Instance } from './balancing/instance.ts'
import { createInstances } from './balancing/instances.ts'
import type { Load } from './balancing/member.ts'
import type { ResolveName } from './balancing/names.ts'
import { type ProbeOptions, startProbes } from './balancing/probes.ts'
import type { ConnectorOptions } from './exchange.ts'
import type { Policy } from './policy.ts'
import type { ProtectedResource } from './protected-resource.ts'
import { createRepeatBudget, type RepeatBudget } from './repeat-budget.ts'
import { type ChooseTimeLimits, createTimeLimits, type TimeoutOptions } from './time-limits.ts'

export type BackendOptions = {
  /** For the log and for people. */
  name: string
  /** Exact path of the MCP endpoint. */
  path: string
  /** `publicUrl` + `path`. */
  resource: string
  /** URLs of the instances' own MCP endpoints. With `dns:` before it, one means every address of its host. */
  instances: readonly string[]
  /** What the challenge tells a client to ask for. */
  scopes: Scope
  /** Who may do what; nothing where everybody may do everything. */
  policy?: Policy | undefined
  /** Whom of those who hold a grant it lets in, by what the upstream says of them by now. */
  allow?: AccessRule | undefined
  /** Whether what it lists is kept for as long as it says. */
  keepsLists?: boolean
  timeouts: TimeoutOptions
  /** How many calls and streams one instance gets at once. */
  room: Readonly<Record<Load, number>>
  /** Nothing where only requests show how an instance is. */
  probe?: ProbeOptions | undefined
}

export type Backend = ProtectedResource & {
  policy: Policy | undefined
  allow: AccessRule | undefined
  balancer: Balancer<Instance>
  /** While it is not known yet where its instances are. */
  readonly awaited: Promise<void> | undefined
  repeats: RepeatBudget
  limitsOf: ChooseTimeLimits
  maxAgeMs: number
  observer: BackendObserver | undefined
  /** Half a second has gone by. */
  tick(): void
  /** Nothing new is going to be asked for: leaves off whatever it does by itself. */
  retire(): void
  close(): Promise<void>
}

export type BackendSurroundings = {
  now: () => number
  random: () => number
  resolveName: ResolveName
  logger: Logger
  observer?: BackendObserver | undefined
}

const PROBE_TIMEOUT_MS = 5000

/** @throws where an instance is no URL */
export function createBackend(
  options: BackendOptions,
  { now, random, resolveName, logger, observer }: BackendSurroundings,
): Backend {
  const { name, path, resource, scopes, policy, allow, timeouts, room, probe } = options
  const onChange = (instance: Instance, change: 'ejected' | 'returned'): void => {
    logger.warn({ backend: name, instance: instance.name }, `instance ${change}`)
    observer?.instanceChanged(change)
  }
  const balancer = createBalancer<Instance>([], { now, random, room, onChange })
  const instances = createInstances(options.instances, connectorOptions(options), balancer, {
    resolveName,
    logger: logger.child({ backend: name }),
  })
  const repeats = createRepeatBudget()
  const probes =
    probe &&
    startProbes({
      ...{ ...probe, balancer, timeoutMs: PROBE_TIMEOUT_MS },
      onFinding: finding => observer?.probed(finding),
    })
  return {
    ...{ name, path, resource, scopes, policy, allow, balancer, observer },
    get awaited() {
      return instances.awaited
    },
    repeats,
    limitsOf: createTimeLimits(timeouts),
    maxAgeMs: timeouts.maxAgeMs,
    tick() {
      repeats.tick()
      balancer.tick()
    },
    retire: () => probes?.stop(),
    close() {
      probes?.stop()
      return instances.close()
    },
  }
}

/** There are as many connections as requests may be under way, so that none waits behind streams that stay open; those of probes come on top. */
function connectorOptions({ room, timeouts }: BackendOptions): ConnectorOptions {
  return { connections: room.calls + room.streams + 1, connectTimeoutMs: timeouts.connectMs }
}
