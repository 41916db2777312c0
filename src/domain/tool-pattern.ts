/**
 * Patterns over the names of tools: `*` stands for any characters, also none; every other character for itself, in its case.
 *
 * @returns whether a name matches as a whole; takes time in proportion to the lengths of both, whatever they are
 */
export function createToolPattern(pattern: string): (name: string) => boolean {
  const [prefix = '', ...rest] = pattern.split('*')
  const suffix = rest.pop()
  if (suffix === undefined) return name => name === pattern
  return name => {
    const end = name.length - suffix.length
    if (end < prefix.length || !name.startsWith(prefix) || !name.endsWith(suffix)) return false
    return findInOrder(rest, name.slice(prefix.length, end))
  }
}

/** The leftmost place of each part leaves most room for the next, so nothing needs to be tried twice. */
function findInOrder(parts: readonly string[], text: string): boolean {
  let from = 0
  for (const part of parts) {
    const at = text.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return true
}
