import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

export type Revision = '2025-11-25' | '2026-07-28'

/** The scenarios that a revision of the protocol requires, as the suite has frozen them. */
export function readRequirements(revision: Revision): { server: string[]; client: string[] } {
  const { resolve } = createRequire(import.meta.url)
  const folder = dirname(resolve('@modelcontextprotocol/conformance/package.json'))
  return parse(readFileSync(join(folder, 'requirements', `${revision}.yaml`), 'utf8'))
}

/** What cannot pass behind stateless backends: each needs the server to ask the client something in the midst of a call, and the answer to find the same instance. */
export const NEEDS_SESSION: readonly string[] = [
  'elicitation-sep1034-defaults',
  'elicitation-sep1330-enums',
  'tools-call-elicitation',
  'tools-call-sampling',
]
