const MEMO_ENTRIES = 1024
const MEMO_NAME_LENGTH = 64

/** Remembers what a function says of a name. Bounded, since a stranger chooses the names. */
export function memoise<Rule>(judge: (name: string) => Rule): (name: string) => Rule {
  const known = new Map<string, Rule>()
  return name => {
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const rule = judge(name)
    if (known.size < MEMO_ENTRIES && name.length <= MEMO_NAME_LENGTH) known.set(name, rule)
    return rule
  }
}
