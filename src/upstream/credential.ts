import type { DerivedToken, UpstreamTokens } from '../domain/grant.ts'
import { renderScope, type Scope } from '../domain/scope.ts'

/**
 * What a backend gets as its `Authorization`.
 *
 * - `upstream`: the access token of the login.
 * - `refresh`: one that the same refresh token is redeemed for, with another scope.
 * - `onBehalfOf`: one that Entra ID gives for the login's (`jwt-bearer` with `requested_token_use`).
 * - `exchange`: one that the upstream exchanges the login's for.
 * - `assertion`: a JWT that the gateway signs itself.
 * - `none`: nothing.
 *
 * @see RFC 6749 section 6, RFC 7523 section 2.1, RFC 8693 section 2.1
 */
export type BackendCredential =
  | { kind: 'upstream' }
  | RefreshCredential
  | ExchangeCredential
  | AssertionCredential
  | { kind: 'none' }

export type RefreshCredential = {
  kind: 'refresh'
  scope: Scope
  /** Further parameters of its refresh, such as an `audience`. */
  params: Readonly<Record<string, string>>
}

export type ExchangeCredential =
  | { kind: 'onBehalfOf'; scope: Scope }
  | {
      kind: 'exchange'
      audience?: string
      resource?: string
      scope: Scope
      requestedTokenType?: string
    }

export type AssertionCredential = { kind: 'assertion'; audience: string; ttlSeconds: number }

/** What a token was asked for, as a text that changes with what the backend is to get; `undefined` for the login's own. */
export function purposeOf(credential: BackendCredential): string | undefined {
  if (credential.kind === 'refresh') {
    const { scope, params } = credential
    return `refresh ${renderScope(scope)} ${JSON.stringify(Object.entries(params).sort())}`
  }
  if (credential.kind === 'onBehalfOf') return `onBehalfOf ${renderScope(credential.scope)}`
  if (credential.kind !== 'exchange') return undefined
  const { audience = '', resource = '', scope, requestedTokenType = '' } = credential
  return `exchange ${JSON.stringify([audience, resource, renderScope(scope), requestedTokenType])}`
}

/** Whether a backend gets nothing of the upstream's, so that nobody needs to have signed in there. */
export function isLocal({ kind }: BackendCredential): boolean {
  return kind === 'assertion' || kind === 'none'
}

export function isExchanged(credential: BackendCredential): credential is ExchangeCredential {
  return credential.kind === 'onBehalfOf' || credential.kind === 'exchange'
}

/**
 * The upstream's token on which what the backend gets depends, and whose age decides.
 *
 * @returns `undefined` where the grant has none of that purpose yet: after a login, or after the configuration has changed
 */
export function findInjected(
  tokens: UpstreamTokens,
  credential: BackendCredential,
): DerivedToken | UpstreamTokens | undefined {
  const purpose = purposeOf(credential)
  const candidate = isExchanged(credential) ? tokens.derived : tokens
  return candidate?.purpose === purpose ? candidate : undefined
}
