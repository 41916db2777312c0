import { stringify } from 'yaml'
import type { z } from 'zod'
import { escapeReferences } from './references.ts'
import { type GatewayConfig, gatewaySchema } from './schema.ts'
import { mapStrings } from './tree.ts'

/**
 * The configuration as YAML with every default written out, in the units and under the keys of the file, so that it can be loaded again. Secrets, and the passwords in
 * URLs, are `[redacted]`.
 */
export function renderEffective(config: GatewayConfig): string {
  // Encoding only reads, so what is read-only may be passed as what is not.
  const written = gatewaySchema.encode(config as z.output<typeof gatewaySchema>)
  // No block scalars: they lose leading spaces in front of a line break.
  return stringify(mapStrings(written, escapeReferences), { lineWidth: 0, blockQuote: false })
}
