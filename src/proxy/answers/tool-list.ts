import {
  isArray,
  type Member,
  membersOf,
  readJson,
  type Span,
  stringAt,
  withoutItems,
} from '../json-text.ts'

/**
 * A JSON-RPC message, or a batch of them, without the tools that its reader is not to see. Whatever else it says stays as it is to the byte, but for `cacheScope: public`: what has
 * been left out for one reader must not be served to another.
 *
 * @returns the same text where there is nothing to leave out; `undefined` where it is not JSON
 */
export function concealTools(
  text: string,
  conceals: (tool: string) => boolean,
): string | undefined {
  const root = readJson(text)
  if (!root) return undefined
  const messages = isArray(text, root) ? membersOf(text, root) : [root]
  const results = messages.flatMap(message => membersNamed(text, message, 'result'))
  const edits = results.flatMap(result => editsOf(text, result, conceals))
  return apply(text, edits)
}

type Edit = Span & { text: string }

function editsOf(text: string, result: Span, conceals: (tool: string) => boolean): Edit[] {
  const lists = membersNamed(text, result, 'tools').flatMap(tools => {
    const shown = withoutItems(text, tools, tool => isConcealed(text, tool, conceals))
    const isSame = shown.length === tools.end - tools.start
    return isSame ? [] : [{ start: tools.start, end: tools.end, text: shown }]
  })
  if (lists.length === 0) return []
  const scopes = membersNamed(text, result, 'cacheScope')
    .filter(scope => stringAt(text, scope) === 'public')
    .map(({ start, end }) => ({ start, end, text: '"private"' }))
  return [...lists, ...scopes]
}

function isConcealed(text: string, tool: Span, conceals: (tool: string) => boolean): boolean {
  return membersNamed(text, tool, 'name').some(name => {
    const known = stringAt(text, name)
    return known !== undefined && conceals(known)
  })
}

function membersNamed(text: string, object: Span, key: string): Member[] {
  return membersOf(text, object).filter(member => member.key === key)
}

function apply(text: string, edits: readonly Edit[]): string {
  const inOrder = edits.toSorted((left, right) => left.start - right.start)
  const starts = [0, ...inOrder.map(({ end }) => end)]
  const kept = starts.map((start, index) => text.slice(start, inOrder[index]?.start))
  return kept.map((part, index) => part + (inOrder[index]?.text ?? '')).join('')
}
