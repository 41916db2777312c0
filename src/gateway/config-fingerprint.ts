import { createHmac } from 'node:crypto'
import type { GatewayConfig } from '../config/schema.ts'
import { createSecret } from '../domain/secret.ts'

/** As much of a digest as a metric's value can carry without rounding. */
const BYTES = 6

/**
 * A number that is the same on replicas with the same configuration and keys, and otherwise almost certainly another. What may differ from replica to replica (addresses to listen
 * on, the log) is not in it.
 *
 * Secrets are in it, so it is a MAC by the first key: nobody without the key can try out passwords against it. Without keys nothing is shared between replicas, and each call
 * gives another number.
 */
export function fingerprintConfig(config: GatewayConfig): number {
  const { listen: _listen, ops: _ops, log: _log, ...shared } = config
  const mac = createHmac('sha256', config.keys[0] ?? createSecret())
  return mac.update(JSON.stringify(shared)).digest().readUIntBE(0, BYTES)
}
