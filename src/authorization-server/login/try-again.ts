import type { AuthorizationRequest } from '../../domain/authorization-request.ts'
import { renderScope } from '../../domain/scope.ts'
import type { SignInProblem } from '../../upstream/provider.ts'

/** Problems that another account of the same person may not have: signing in again must ask which one. */
const OTHER_ACCOUNT_HELPS = new Set<SignInProblem>([
  'account-disabled',
  'not-assigned',
  'wrong-tenant',
])

/** The request once more, as its client sent it, for a person who has to begin anew. */
export function renderAuthorizationUrl(
  issuer: string,
  request: AuthorizationRequest,
  problem: SignInProblem,
): string {
  const { clientId, redirectUri, redirectUriImplied, state, codeChallenge, resource, scope } =
    request
  const url = new URL('/authorize', issuer)
  const prompt = OTHER_ACCOUNT_HELPS.has(problem) ? 'select_account' : request.prompt
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    // A client that left it out leaves it out at /token too, where it must then have been left out here.
    ...(!redirectUriImplied && { redirect_uri: redirectUri }),
    ...(state !== undefined && { state }),
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
    resource,
    scope: renderScope(scope),
    ...(prompt !== undefined && { prompt }),
  }
  url.search = new URLSearchParams(parameters).toString()
  return url.href
}
