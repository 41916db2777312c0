import { OAuthError } from '../../domain/oauth-error.ts'
import { findRedirectUriFault, type RedirectUriFault } from '../../domain/redirect-uri.ts'

/**
 * What clients say of themselves, in a registration or in a document, and how much of it is taken.
 *
 * @see RFC 7591 section 2
 */

const MAX_NAME_LENGTH = 100

/**
 * Faults for which a client is refused as a whole: nobody sends such a URI by mistake. Other URIs that cannot be used are left out, since real clients name several at
 * once.
 */
const DANGEROUS = new Set<RedirectUriFault>([
  'has a fragment',
  'has a user name or a password',
  'has a wildcard',
  'uses a scheme that runs or reads something',
])

/**
 * Those of the redirect URIs that can be used.
 *
 * @param isPermitted the policy, where there is one
 * @throws OAuthError `invalid_redirect_uri` where one is dangerous or none is left
 */
export function acceptRedirectUris(
  uris: readonly string[],
  isPermitted: (uri: string) => boolean = () => true,
): string[] {
  const faults = uris.map(findRedirectUriFault)
  const dangerous = faults.findIndex(fault => fault && DANGEROUS.has(fault))
  if (dangerous !== -1) {
    throw new OAuthError('invalid_redirect_uri', `redirect_uris[${dangerous}] ${faults[dangerous]}`)
  }
  const accepted = uris.filter((uri, index) => faults[index] === undefined && isPermitted(uri))
  if (accepted.length > 0) return accepted
  const fault = faults[0] ?? 'leads where this gateway does not send codes'
  throw new OAuthError('invalid_redirect_uri', `redirect_uris[0] ${fault}`)
}

/** @throws OAuthError `invalid_client_metadata` where the client does not want what every client here gets */
export function checkGrantAndResponseTypes(metadata: {
  grant_types?: readonly string[] | undefined
  response_types?: readonly string[] | undefined
}): void {
  if (metadata.grant_types && !metadata.grant_types.includes('authorization_code')) {
    throw new OAuthError('invalid_client_metadata', 'grant_types must include authorization_code')
  }
  if (metadata.response_types && !metadata.response_types.includes('code')) {
    throw new OAuthError('invalid_client_metadata', 'response_types must include code')
  }
}

/** Without control and formatting characters, which could make a name look like something else. */
export function cleanName(name = ''): string {
  const clean = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim()
  return [...clean].slice(0, MAX_NAME_LENGTH).join('') || 'An app without a name'
}

export function isHttpsUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:'
}
