import type { AuthorizationRequest } from '../../domain/authorization-request.ts'
import type { Client } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { isCodeChallenge } from '../../domain/pkce.ts'
import { findResource } from '../../domain/resource.ts'
import { parseScope, type Scope } from '../../domain/scope.ts'
import type { ProtectedResource } from '../context.ts'
import { type Parameters, requireParameter } from '../parameters.ts'

/**
 * The checks of an authorization request whose client and redirect URI are verified already, so that each failure may be sent to that redirect URI.
 *
 * @see RFC 6749 section 4.1.1, RFC 7636 section 4.3, RFC 8707 section 2
 */

const MAX_STATE_LENGTH = 4096

/**
 * @throws OAuthError
 */
export function checkAuthorizationRequest(
  client: Client,
  redirectUri: string,
  parameters: Parameters,
  resources: readonly ProtectedResource[],
): { request: AuthorizationRequest; resource: ProtectedResource } {
  checkResponseType(parameters)
  checkStateLength(parameters)
  checkPrompt(parameters)
  const codeChallenge = checkCodeChallenge(parameters)
  const resource = chooseResource(parameters.get('resource'), resources)
  const scope = chooseScope(client, parameters, resource)
  const state = parameters.get('state')
  const prompt = parameters.get('prompt')
  const loginHint = parameters.get('login_hint')
  const request: AuthorizationRequest = {
    clientId: client.clientId,
    clientName: client.clientName,
    redirectUri,
    ...(!parameters.has('redirect_uri') && { redirectUriImplied: true }),
    codeChallenge,
    resource: resource.resource,
    scope,
    ...(state !== undefined && { state }),
    ...(prompt !== undefined && { prompt }),
    ...(loginHint !== undefined && { loginHint }),
  }
  return { request, resource }
}

function checkResponseType(parameters: Parameters): void {
  if (requireParameter(parameters, 'response_type') !== 'code') {
    throw new OAuthError('unsupported_response_type', 'response_type must be code')
  }
  const mode = parameters.get('response_mode')
  if (mode !== undefined && mode !== 'query') {
    throw new OAuthError('invalid_request', 'response_mode must be query')
  }
}

function checkStateLength(parameters: Parameters): void {
  if ((parameters.get('state')?.length ?? 0) > MAX_STATE_LENGTH) {
    throw new OAuthError('invalid_request', `state is longer than ${MAX_STATE_LENGTH} characters`)
  }
}

/** Consent is asked each time, so nothing can be had without a page. */
function checkPrompt(parameters: Parameters): void {
  if (parameters.get('prompt')?.split(' ').includes('none')) {
    throw new OAuthError('consent_required', 'prompt=none is not possible here')
  }
}

function checkCodeChallenge(parameters: Parameters): string {
  const codeChallenge = requireParameter(parameters, 'code_challenge')
  if (parameters.get('code_challenge_method') !== 'S256') {
    throw new OAuthError('invalid_request', 'code_challenge_method must be S256')
  }
  if (!isCodeChallenge(codeChallenge)) {
    throw new OAuthError('invalid_request', 'code_challenge is malformed')
  }
  return codeChallenge
}

/**
 * The resource that is meant: the one that is named, or the only one.
 *
 * @throws OAuthError `invalid_target`, naming the choices
 */
export function chooseResource(
  presented: string | undefined,
  resources: readonly ProtectedResource[],
): ProtectedResource {
  const choices = resources.map(({ resource }) => resource)
  const found = presented === undefined ? onlyOne(choices) : findResource(presented, choices)
  const resource = resources.find(candidate => candidate.resource === found)
  if (!resource) {
    throw new OAuthError('invalid_target', `resource must be one of ${choices.join(' ')}`)
  }
  return resource
}

function onlyOne(choices: readonly string[]): string | undefined {
  return choices.length === 1 ? choices[0] : undefined
}

/**
 * What the resource knows of what was asked for, and what every call there needs; unknown scopes are left out, since clients ask for `openid` and the like of their own
 * accord.
 */
function chooseScope(client: Client, parameters: Parameters, { scopes }: ProtectedResource): Scope {
  const text = parameters.get('scope')
  const requested = text === undefined ? client.defaultScope : parseScope(text)
  if (text !== undefined && !requested) throw new OAuthError('invalid_scope', 'scope is malformed')
  const known = (requested ?? []).filter(token => scopes.names.includes(token))
  const chosen = known.length > 0 ? known : scopes.defaults
  return [...chosen, ...scopes.findMissing(chosen, scopes.required)]
}
