/** Rules among the scopes of one backend: every name is one of its own, and no implication leads back to itself. */
import { parseScope } from '../domain/scope.ts'
import { findImplicationCycle } from '../domain/scope-catalogue.ts'
import type { Path } from './error.ts'
import type { Finding } from './issues.ts'
import { nearest } from './suggest.ts'
import { entriesAt, listAt, valueAt } from './tree.ts'

const PATTERN = /^[\x21-\x7e]{1,128}$/

/** @returns the rules that are broken, whatever else is wrong with the tree */
export function checkScopes(tree: unknown): Finding[] {
  return listAt(tree, ['backends']).flatMap((_, index) => checkBackend(tree, ['backends', index]))
}

function checkBackend(tree: unknown, backend: Path): Finding[] {
  const scopes = [...backend, 'scopes']
  const written = entriesAt(tree, scopes).map(([name]) => name)
  const known = namesAt(tree, scopes)
  const tools = entriesAt(tree, [...backend, 'tools']).map(([name]) => name)
  const references = [
    [...backend, 'required'],
    ...written.map(name => [...scopes, name, 'implies']),
    ...tools.map(name => [...backend, 'tools', name, 'scopes']),
  ]
  return [
    ...written.flatMap(name => checkName(name, [...scopes, name])),
    ...(known ? references.flatMap(path => checkReferences(tree, path, known)) : []),
    ...checkCycle(tree, scopes, written),
    ...tools.flatMap(name => checkTool(tree, name, [...backend, 'tools', name])),
  ]
}

/** `undefined` where they cannot be read, which is a fault of its own. */
function namesAt(tree: unknown, scopes: Path): string[] | undefined {
  const value = valueAt(tree, scopes)
  if (value === undefined) return ['mcp']
  if (Array.isArray(value)) return value.map(String)
  const names = entriesAt(tree, scopes).map(([name]) => name)
  return names.length > 0 ? names : undefined
}

function checkName(name: string, path: Path): Finding[] {
  if (parseScope(name)?.[0] === name) return []
  const message = 'is not a scope: expected printable ASCII without spaces, " and \\'
  return [{ path, message, isAboutKey: true }]
}

function checkReferences(tree: unknown, path: Path, known: readonly string[]): Finding[] {
  return listAt(tree, path).flatMap((name, index) => {
    if (typeof name !== 'string' || known.includes(name)) return []
    const suggestion = nearest(name, known)
    const message = 'is not one of the scopes of this backend'
    return [{ path: [...path, index], message, ...(suggestion !== undefined && { suggestion }) }]
  })
}

function checkCycle(tree: unknown, scopes: Path, names: readonly string[]): Finding[] {
  const implications = new Map(
    names.map(name => [name, listAt(tree, [...scopes, name, 'implies']).map(String)]),
  )
  const cycle = findImplicationCycle(implications)
  const [first] = cycle ?? []
  if (!cycle || first === undefined) return []
  return [{ path: [...scopes, first, 'implies'], message: `goes round: ${cycle.join(' → ')}` }]
}

function checkTool(tree: unknown, name: string, path: Path): Finding[] {
  if (!PATTERN.test(name)) {
    const message = 'expected the name of a tool: up to 128 printable characters, * for any'
    return [{ path, message, isAboutKey: true }]
  }
  const hidden = valueAt(tree, [...path, 'hidden'])
  const isEmpty = listAt(tree, [...path, 'scopes']).length === 0
  if (!isEmpty || hidden === true || hidden === 'true') return []
  return [{ path, message: 'says nothing: name scopes, or hide it', isAboutKey: true }]
}
