/**
 * Where the values of a JSON text stand in it. Unlike a parsed value this shows repeated keys, and lets a part be cut out while every other byte stays as it was. All of it takes
 * linear time and no recursion, since strangers choose the text.
 *
 * @see RFC 8259
 */

/** A value within its text: `end` is behind its last character. */
export type Span = { start: number; end: number }

/** A value within an object, which has a key, or an array, where the key is empty. */
export type Member = Span & { key: string }

const BLANK = new Set([' ', '\t', '\n', '\r'])
const SCALAR_END = /[\s,\]}]/g
const NEXT_TOKEN = /["[\]{}]/g

/** The whole value; `undefined` where the text is not JSON. Every other function here takes spans that began with this one. */
export function readJson(text: string): Span | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const start = skipBlank(text, 0)
  return { start, end: endOf(text, start) }
}

export function isArray(text: string, { start }: Span): boolean {
  return text[start] === '['
}

/** The members of an object or an array, in their order; none where it is neither. */
export function membersOf(text: string, { start }: Span): Member[] {
  const isObject = text[start] === '{'
  if (!isObject && text[start] !== '[') return []
  const members: Member[] = []
  let at = skipBlank(text, start + 1)
  while (text[at] !== '}' && text[at] !== ']') {
    const keyEnd = isObject ? endOf(text, at) : at
    const key = isObject ? String(JSON.parse(text.slice(at, keyEnd))) : ''
    const from = isObject ? skipBlank(text, skipBlank(text, keyEnd) + 1) : at
    const member = { key, start: from, end: endOf(text, from) }
    members.push(member)
    at = skipBlank(text, member.end)
    if (text[at] === ',') at = skipBlank(text, at + 1)
  }
  return members
}

/** The value itself where it is a string. */
export function stringAt(text: string, { start, end }: Span): string | undefined {
  return text[start] === '"' ? String(JSON.parse(text.slice(start, end))) : undefined
}

/** An array's text without some of its items. */
export function withoutItems(
  text: string,
  array: Span,
  isDropped: (item: Span) => boolean,
): string {
  const items = membersOf(text, array)
  const kept = items.filter(item => !isDropped(item))
  if (kept.length === items.length) return text.slice(array.start, array.end)
  return `[${kept.map(({ start, end }) => text.slice(start, end)).join(',')}]`
}

function endOf(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return endOfString(text, start)
  if (first === '{' || first === '[') return endOfNested(text, start)
  SCALAR_END.lastIndex = start
  return SCALAR_END.exec(text)?.index ?? text.length
}

function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1)
  return quote + 1
}

function isEscaped(text: string, quote: number): boolean {
  let before = quote - 1
  while (text[before] === '\\') before -= 1
  return (quote - before) % 2 === 0
}

function endOfNested(text: string, start: number): number {
  let depth = 0
  let at = start
  do {
    NEXT_TOKEN.lastIndex = at
    const token = NEXT_TOKEN.exec(text)
    if (!token) return text.length
    at = token.index + 1
    if (token[0] === '"') at = endOfString(text, token.index)
    else depth += token[0] === '{' || token[0] === '[' ? 1 : -1
  } while (depth > 0)
  return at
}

function skipBlank(text: string, start: number): number {
  let at = start
  while (BLANK.has(text[at] ?? '')) at += 1
  return at
}
