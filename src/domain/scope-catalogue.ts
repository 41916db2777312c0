import type { Scope } from './scope.ts'

/** One scope that a resource knows. */
export type ScopeDefinition = {
  name: string
  /** What it allows, for the person who is asked. */
  description?: string
  /** Whether a client gets it that asks for none in particular. */
  isDefault: boolean
  /** What whoever holds it holds as well. Names of other scopes of the same resource, without cycles. */
  implies: Scope
}

/** What scopes mean at one resource. */
export type ScopeCatalogue = {
  /** All that may be asked for, in the order of their definition. */
  names: Scope
  /** What a client is told to ask for, and gets where it asks for none; the required ones are among them. */
  defaults: Scope
  /** What every call needs, and so every grant holds. */
  required: Scope
  describe(name: string): string | undefined
  /** The scopes themselves and all that they imply. */
  expand(scope: Scope): Scope
  /** What of `needed` is held neither by itself nor by implication. */
  findMissing(held: Scope, needed: Scope): Scope
}

/** @param definitions as the configuration has checked them: unique names, implications known and without cycles */
export function createScopeCatalogue(
  definitions: readonly ScopeDefinition[],
  required: Scope,
): ScopeCatalogue {
  const byName = new Map(definitions.map(definition => [definition.name, definition]))
  const impliedBy = (name: string): Scope => byName.get(name)?.implies ?? []
  const holdings = new Map(definitions.map(({ name }) => [name, closureOf([name], impliedBy)]))
  const holds = (held: string, needed: string): boolean =>
    held === needed || (holdings.get(held)?.has(needed) ?? false)
  const names = definitions.map(({ name }) => name)
  return {
    names,
    defaults: names.filter(name => byName.get(name)?.isDefault || required.includes(name)),
    required,
    describe: name => byName.get(name)?.description,
    expand: scope => [...closureOf(scope, impliedBy)],
    findMissing: (held, needed) =>
      needed.filter(scope => !held.some(candidate => holds(candidate, scope))),
  }
}

/**
 * The first chain of implications that comes back to where it began, such as `a`, `b`, `a`.
 *
 * @param implications names of scopes, and what each implies
 */
export function findImplicationCycle(
  implications: ReadonlyMap<string, Scope>,
): readonly string[] | undefined {
  const cleared = new Set<string>()
  const follow = (name: string, chain: readonly string[]): readonly string[] | undefined => {
    const start = chain.indexOf(name)
    if (start !== -1) return [...chain.slice(start), name]
    if (cleared.has(name)) return undefined
    const cycle = firstOf(implications.get(name) ?? [], next => follow(next, [...chain, name]))
    cleared.add(name)
    return cycle
  }
  return firstOf([...implications.keys()], name => follow(name, []))
}

function closureOf(scope: Scope, impliedBy: (name: string) => Scope): ReadonlySet<string> {
  const closure = new Set(scope)
  // A set that grows while it is read is read to its end.
  for (const name of closure) for (const implied of impliedBy(name)) closure.add(implied)
  return closure
}

function firstOf<Item, Found>(
  items: readonly Item[],
  find: (item: Item) => Found | undefined,
): Found | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
