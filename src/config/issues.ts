/** What zod says about a tree, in the words of somebody who edits YAML. */
import { z } from 'zod'
import type { Path } from './error.ts'
import { nearest } from './suggest.ts'
import { pathKey, valueAt } from './tree.ts'

/** A fault whose place is not yet a line and a column. */
export type Finding = { path: Path; message: string; suggestion?: string; isAboutKey?: boolean }

type Outcome<T> = { value: T; findings: [] } | { findings: Finding[] }

/** Decodes a tree, or says all that is wrong with it. */
export function decode<T>(schema: z.ZodType<T>, tree: unknown): Outcome<T> {
  const knownKeys = new Map<string, string[]>()
  const result = schema.safeParse(tree, {
    error: issue => {
      const path = toPath(issue.path ?? [])
      // Only here does zod tell which object refused the keys, and so which keys it knows.
      if (issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject) {
        knownKeys.set(pathKey(path), Object.keys(issue.inst.shape))
      }
      return describe(issue, valueAt(tree, path))
    },
  })
  if (result.success) return { value: result.data, findings: [] }
  const findings = result.error.issues.flatMap(issue => {
    const path = toPath(issue.path)
    if (issue.code === 'unrecognized_keys') {
      return unknownKeys(path, issue.keys, knownKeys.get(pathKey(path)) ?? [])
    }
    const value = valueAt(tree, path)
    const suggestion = typeof value === 'string' ? nearest(value, choicesOf(issue)) : undefined
    return [{ path, message: issue.message, ...(suggestion !== undefined && { suggestion }) }]
  })
  return { findings }
}

function unknownKeys(path: Path, keys: readonly string[], known: readonly string[]): Finding[] {
  return keys.map(key => {
    const suggestion = nearest(key, known)
    return {
      path: [...path, key],
      message: 'unknown key',
      isAboutKey: true,
      ...(suggestion !== undefined && { suggestion }),
    }
  })
}

/** The message of an issue for which the schema has none of its own. */
function describe(issue: z.core.$ZodRawIssue, value: unknown): string | undefined {
  const choices = choicesOf(issue)
  if (value === undefined) {
    return choices.length > 0 ? `is required: one of ${choices.join(', ')}` : 'is required'
  }
  if (choices.length > 0) return `expected one of ${choices.join(', ')}`
  if (issue.code === 'invalid_type') {
    const expected = String(issue.expected)
    const found = `expected ${nameOfType(expected)}, found ${nameOfValue(value)}`
    return `${found}${hintFor(expected, value)}`
  }
  if (issue.code !== 'too_small') return undefined
  return issue.origin === 'array' ? 'needs at least one entry' : 'must not be empty'
}

function choicesOf(issue: { code: string; values?: unknown; options?: unknown }): string[] {
  const choices = issue.code === 'invalid_value' ? issue.values : issue.options
  return Array.isArray(choices) ? choices.map(String) : []
}

function nameOfType(expected: string): string {
  const names: Record<string, string> = {
    object: 'a section',
    array: 'a list',
    record: 'a section',
  }
  return names[expected] ?? `a ${expected}`
}

function nameOfValue(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a section'
  return `a ${typeof value}`
}

/** How what was written becomes what is expected, where its marks are all that is missing. */
function hintFor(expected: string, value: unknown): string {
  if (value === null || typeof value === 'object') return ''
  if (expected === 'string') return '; put it in quotes'
  return expected === 'array' ? '; put it in brackets' : ''
}

function toPath(path: readonly PropertyKey[]): Path {
  return path.map(part => (typeof part === 'number' ? part : String(part)))
}
