import { isArray, type Member, membersOf, type Span } from '../json-text.ts'

const DEEPEST = 32

/**
 * One text for all spellings of a JSON value that differ in blanks or in the order of keys only. Numbers and strings stay as they are written, so two values that any parser tells
 * apart never become one.
 *
 * @returns `undefined` where two parsers could read different values: keys that are repeated, or differ in case only; and where it is nested too deep
 */
function canonicalJson(text: string, span: Span, depth = 0): string | undefined {
  if (depth > DEEPEST) return undefined
  const first = text[span.start]
  if (first !== '{' && first !== '[') return text.slice(span.start, span.end)
  return canonicalMembers(text, membersOf(text, span), isArray(text, span), depth)
}

/** The same for an object of these members. */
export function canonicalObject(text: string, members: readonly Member[]): string | undefined {
  return canonicalMembers(text, members, false, 0)
}

/** The members of an object by key; `undefined` where it is no object, or has members that two parsers could take differently. */
export function objectAt(text: string, span: Span): Map<string, Span> | undefined {
  if (text[span.start] !== '{') return undefined
  const members = membersOf(text, span)
  return isUnambiguous(members) ? new Map(members.map(one => [one.key, one])) : undefined
}

/** Whether no key is another's repetition, not even for those that do not tell upper from lower case. */
function isUnambiguous(members: readonly Member[]): boolean {
  // Through upper case, because some lower-case letters have only that in common with a letter of ASCII.
  const folded = members.map(({ key }) => key.toUpperCase().toLowerCase())
  return new Set(folded).size === folded.length
}

function canonicalMembers(
  text: string,
  members: readonly Member[],
  isList: boolean,
  depth: number,
): string | undefined {
  if (!isList && !isUnambiguous(members)) return undefined
  const parts: string[] = []
  for (const member of isList ? members : members.toSorted(byKey)) {
    const value = canonicalJson(text, member, depth + 1)
    if (value === undefined) return undefined
    parts.push(isList ? value : `${JSON.stringify(member.key)}:${value}`)
  }
  return isList ? `[${parts.join(',')}]` : `{${parts.join(',')}}`
}

function byKey(left: Member, right: Member): number {
  return left.key < right.key ? -1 : 1
}
