import { type ConfigDocument, readYaml } from './document.ts'
import { ConfigError, type Fault, renderPath } from './error.ts'
import { decode, type Finding } from './issues.ts'
import { resolveReferences, type Sources } from './references.ts'
import { checkRules } from './rules.ts'
import { type GatewayConfig, gatewaySchema } from './schema.ts'
import { isWithin } from './tree.ts'

/**
 * Reads the text of a configuration. Pure: variables and files come from `sources`.
 *
 * @param sources.file what faults call the text
 * @throws ConfigError with all faults, in the order of the text
 */
export function parseConfig(text: string, sources: Sources & { file: string }): GatewayConfig {
  const document = readYaml(text)
  if (Array.isArray(document)) {
    throw new ConfigError(sources.file, inOrder(document.map(fault => ({ path: '', ...fault }))))
  }
  const { tree, unresolved } = resolveReferences(document.tree, sources)
  const decoded = decode(gatewaySchema, tree)
  // A value that could not be had says nothing about itself.
  const judged = [...decoded.findings, ...checkRules(tree, sources.env)].filter(
    ({ path }) => !unresolved.some(reference => isWithin(path, reference.path)),
  )
  const findings = [...unresolved, ...judged]
  if (findings.length === 0 && 'value' in decoded) return decoded.value
  const faults = findings.map(finding => placed(finding, document))
  throw new ConfigError(sources.file, inOrder(faults))
}

function placed(finding: Finding, document: ConfigDocument): Fault {
  const { path, message, suggestion, isAboutKey } = finding
  const position = isAboutKey ? document.keyPositionOf(path) : document.positionOf(path)
  return {
    path: renderPath(path),
    ...position,
    message,
    ...(suggestion !== undefined && { suggestion }),
  }
}

function inOrder(faults: Fault[]): Fault[] {
  return faults.sort((left, right) => left.line - right.line || left.column - right.column)
}
