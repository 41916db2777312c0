import { parseScope } from '../../domain/scope.ts'
import { parsed } from '../fields.ts'
import { Malformed } from '../malformed.ts'

/** One scope token of RFC 6749 section 3.3. */
export function scopeToken() {
  return parsed('scope', (text: string): string => {
    if (parseScope(text)?.[0] === text) return text
    throw new Malformed('is not a scope: expected printable ASCII without spaces, " and \\')
  })
}
