import type { Path } from './error.ts'

/** A text that two paths share exactly if they are the same. */
export function pathKey(path: Path): string {
  return JSON.stringify(path)
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(path: Path, ancestor: Path): boolean {
  return ancestor.every((part, index) => path[index] === part)
}

/** What stands at a path of an unchecked tree; `undefined` where there is nothing. */
export function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (!isCollection(value) || !Object.hasOwn(value, part)) return undefined
    return value[part]
  }, tree)
}

/** The list at a path of an unchecked tree; empty where there is none. */
export function listAt(tree: unknown, path: Path): unknown[] {
  const list = valueAt(tree, path)
  return Array.isArray(list) ? list : []
}

/** Keys and values of the section at a path of an unchecked tree; empty where there is none. */
export function entriesAt(tree: unknown, path: Path): [string, unknown][] {
  const section = valueAt(tree, path)
  return isCollection(section) && !Array.isArray(section) ? Object.entries(section) : []
}

/** The same tree with every string replaced. Keys stay. */
export function mapStrings(
  tree: unknown,
  replace: (text: string, path: Path) => unknown,
  path: Path = [],
): unknown {
  if (typeof tree === 'string') return replace(tree, path)
  if (Array.isArray(tree)) {
    return tree.map((item, index) => mapStrings(item, replace, [...path, index]))
  }
  if (!isCollection(tree)) return tree
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, mapStrings(value, replace, [...path, key])]),
  )
}

function isCollection(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null
}
