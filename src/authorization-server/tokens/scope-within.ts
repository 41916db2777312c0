import { OAuthError } from '../../domain/oauth-error.ts'
import { parseScope, type Scope } from '../../domain/scope.ts'
import type { ScopeCatalogue } from '../../domain/scope-catalogue.ts'

/**
 * What a request without a login gets: as much of what it asks for as lies within what it may have, or all of that where it asks for nothing in particular. What every
 * call needs is added from there, and from nowhere else.
 *
 * @param text the `scope` parameter
 * @param most what may be had; scopes of other resources among it do not count
 * @throws OAuthError `invalid_scope` where nothing is left, or not what every call needs
 * @see RFC 6749 section 3.3
 */
export function chooseScopeWithin(
  text: string | undefined,
  most: Scope,
  catalogue: ScopeCatalogue,
): Scope {
  const known = most.filter(token => catalogue.names.includes(token))
  const held = catalogue.expand(known)
  const requested = text === undefined ? known : parseScope(text)
  if (!requested) throw new OAuthError('invalid_scope', 'scope is malformed')
  const chosen = requested.filter(token => held.includes(token))
  const missing = catalogue.findMissing(chosen, catalogue.required)
  const isEmpty = chosen.length === 0 && catalogue.names.length > 0
  if (isEmpty || catalogue.findMissing(known, missing).length > 0)
    throw new OAuthError('invalid_scope', 'the scope is not within what may be had here')
  return [...chosen, ...missing]
}
