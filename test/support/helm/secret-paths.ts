type Node = { readonly [key: string]: unknown }

/**
 * Where a JSON Schema has values that are never shown, as dotted paths: `*` stands for any name, and a list is named without its items.
 *
 * @param schema with its definitions in `$defs`
 */
export function secretPaths(schema: Node): string[] {
  const found = new Set<string>()
  const walk = (node: Node, path: readonly string[], seen: readonly Node[]): void => {
    if (seen.includes(node)) return
    if (node.writeOnly === true) found.add(path.join('.'))
    for (const [name, child] of childrenOf(node, schema)) {
      walk(child, name === '' ? path : [...path, name], [...seen, node])
    }
  }
  walk(schema, [], [])
  return [...found].sort()
}

/** What a schema is made of, each with the name that it adds to the path. */
function childrenOf(node: Node, schema: Node): (readonly [string, Node])[] {
  const choices = ['anyOf', 'oneOf', 'allOf'].flatMap(key => (node[key] ?? []) as Node[])
  const referred = typeof node.$ref === 'string' ? node.$ref.split('/').at(-1) : undefined
  const definition = referred === undefined ? undefined : nodesOf(schema.$defs)[referred]
  const itself = [...choices, definition, node.items].filter(isNode)
  return [
    ...itself.map(child => ['', child] as const),
    ...Object.entries(nodesOf(node.properties)),
    ...[node.additionalProperties].filter(isNode).map(child => ['*', child] as const),
  ]
}

function nodesOf(value: unknown): Record<string, Node> {
  return (value ?? {}) as Record<string, Node>
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}
