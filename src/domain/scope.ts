/** A scope as RFC 6749 section 3.3 has it: a set of case-sensitive tokens, kept in the order in which they came. */
export type Scope = readonly string[]

const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * Splits a `scope` parameter; repeated tokens count once.
 *
 * @returns `undefined` where a character is not allowed.
 * @see RFC 6749 section 3.3
 */
export function parseScope(text: string): Scope | undefined {
  const tokens = text.split(' ').filter(token => token !== '')
  return tokens.every(token => SCOPE_TOKEN.test(token)) ? [...new Set(tokens)] : undefined
}

export function renderScope(scope: Scope): string {
  return scope.join(' ')
}

export function isSubset(part: Scope, whole: Scope): boolean {
  return part.every(token => whole.includes(token))
}
