/** A YAML document as a plain tree, with the offset of everything in it. */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
} from 'yaml'
import { showBraces } from './braces.ts'
import type { Path } from './error.ts'
import { pathKey } from './tree.ts'

/** Offsets of a value and of the key that it has. */
export type Place = { key?: number; value: number }

const MAX_DEPTH = 16
// Counted as unfolded, so that a few lines of aliases cannot become gigabytes.
const MAX_NODES = 20_000
const MAX_ALIASES = 100

/** A node that YAML allows and a configuration does not. */
export class Unusable extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/**
 * The tree of a document, aliases unfolded.
 *
 * @throws Unusable at the first node that has no place in a configuration
 */
export function unfold(document: Document): { tree: unknown; places: Map<string, Place> } {
  const places = new Map<string, Place>()
  const spend = { nodes: budget(MAX_NODES), aliases: budget(MAX_ALIASES) }
  const visit = (node: unknown, path: Path, key?: number): unknown => {
    const offset = placeOf(node, key)
    spend.nodes(offset)
    if (path.length > MAX_DEPTH) throw new Unusable('is nested too deeply', offset)
    const id = pathKey(path)
    if (!places.has(id)) places.set(id, { value: offset, ...(key !== undefined && { key }) })
    if (!isAlias(node)) return contentOf(node, path, offset)
    spend.aliases(offset)
    const anchored = node.resolve(document)
    if (!anchored) throw new Unusable('refers to an anchor that is not there', offset)
    return visit(anchored, path, key)
  }
  const contentOf = (node: unknown, path: Path, offset: number): unknown => {
    if (isSeq(node)) return node.items.map((item, index) => visit(item, [...path, index]))
    if (isMap(node)) return Object.fromEntries(node.items.map(pair => entry(pair, path, offset)))
    return isScalar(node) ? scalarOf(node) : null
  }
  const entry = (pair: Pair, path: Path, around: number): [string, unknown] => {
    const [name, offset] = keyOf(pair, around)
    return [name, visit(pair.value, [...path, name], offset)]
  }
  return { tree: visit(document.contents, []), places }
}

function budget(limit: number): (offset: number) => void {
  let left = limit
  return offset => {
    left -= 1
    if (left < 0) throw new Unusable('unfolds into too many values', offset)
  }
}

function keyOf(pair: Pair, around: number): [name: string, offset: number] {
  const offset = offsetOf(pair.key) ?? around
  const name = isScalar(pair.key) ? scalarOf(pair.key) : undefined
  // __proto__ would be lost on the way through ordinary objects, so it must not pass for known.
  if (typeof name !== 'string' || name === '__proto__')
    throw new Unusable('is not a usable key', offset)
  return [name, offset]
}

function scalarOf({ value }: Scalar): unknown {
  return typeof value === 'string' ? showBraces(value) : value
}

/** A section or a list is where its key is: its text begins with its first entry, which is not to blame. */
function placeOf(node: unknown, key: number | undefined): number {
  const own = offsetOf(node)
  return (isCollection(node) ? (key ?? own) : (own ?? key)) ?? 0
}

/** Where a node's text begins; `undefined` where it has none (`redis:` and nothing after it). */
function offsetOf(node: unknown): number | undefined {
  const range = (node as Node | null)?.range
  return range && range[1] > range[0] ? range[0] : undefined
}
