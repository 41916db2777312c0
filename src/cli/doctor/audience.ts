import { decodeJwt } from 'jose'
import { renderScope } from '../../domain/scope.ts'
import type { BackendCredential } from '../../upstream/credential.ts'
import type { UpstreamOptions } from '../../upstream/options.ts'
import { type Finding, ok, warn } from './finding.ts'

/** Scopes that say something about the user, and name no API. */
const OF_NO_API = new Set([
  ...['openid', 'profile', 'email', 'address', 'phone', 'offline_access', 'groups', 'roles'],
])
const AUDIENCE_PARAMETERS = ['audience', 'resource']

/**
 * For whom the tokens will be that a backend gets: what is asked for, and what a token that is at hand says.
 *
 * @param upstream the one that signs the backend's users in
 * @param token of the identity provider, if somebody has brought one
 */
export function examineAudience(
  credential: BackendCredential,
  upstream: UpstreamOptions | undefined,
  token: string | undefined,
): Finding[] {
  if (!upstream) return []
  const asked = describeAsked(credential, upstream)
  return [asked, ...(token === undefined ? [] : judgeToken(token, credential, upstream))]
}

function describeAsked(credential: BackendCredential, upstream: UpstreamOptions): Finding {
  switch (credential.kind) {
    case 'none':
      return ok('it gets no token')
    case 'assertion':
      return ok(`it gets an assertion of the gateway for the audience ${credential.audience}`)
    case 'refresh':
      return ok(
        `it gets a token for the scopes ${renderScope(credential.scope)}${said(credential.params)}`,
      )
    case 'onBehalfOf':
      return ok(`it gets a token that is exchanged for the scopes ${renderScope(credential.scope)}`)
    case 'exchange': {
      const { audience, resource, scope } = credential
      const target = said({ ...(audience && { audience }), ...(resource && { resource }) })
      return ok(`it gets a token that is exchanged${target}, scopes ${renderScope(scope)}`)
    }
    case 'upstream':
      return describeLogin(upstream)
  }
}

/** The commonest reason why a backend refuses every token: nobody has asked for one that is for it. */
function describeLogin({
  scopes,
  authorizeParams,
  codeParams,
  endpoints,
}: UpstreamOptions): Finding {
  const parameters = { ...authorizeParams, ...codeParams }
  const own = scopes.filter(scope => !OF_NO_API.has(scope))
  const isNamed = own.length > 0 || AUDIENCE_PARAMETERS.some(name => name in parameters)
  const what = `it gets the token of the login, which is asked for with the scopes ${renderScope(scopes)}${said(parameters)}`
  if (isNamed || endpoints) return ok(what)
  return warn(
    `${what}: none of them names an API, so many identity providers give a token that is for themselves`,
    'ask for a scope of the backend’s API in upstream.scopes, or for an audience in upstream.authorizeParams; --token-file shows what a token says',
  )
}

function judgeToken(
  token: string,
  credential: BackendCredential,
  { issuer, clientId }: UpstreamOptions,
): Finding[] {
  const claims = readClaims(token)
  if (!claims)
    return [
      ok('the token of --token-file is no JWT: only the identity provider can say for whom it is'),
    ]
  const audiences = [claims.aud ?? []].flat()
  const whose = `the token of --token-file is for ${audiences.join(', ') || 'nobody'}, from ${claims.iss}`
  if (credential.kind === 'upstream' && audiences.includes(clientId)) {
    return [
      warn(
        `${whose}: that is this gateway, as in an ID token`,
        'ask for a scope of the backend’s API in upstream.scopes, or for an audience in upstream.authorizeParams',
      ),
    ]
  }
  const isForeign = claims.iss !== undefined && claims.iss !== issuer
  return [
    isForeign
      ? warn(
          `${whose}, not from ${issuer}`,
          'see that the backend trusts that issuer, or bring another token',
        )
      : ok(whose),
  ]
}

function readClaims(token: string): { aud?: string | string[]; iss?: string } | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}

function said(parameters: Readonly<Record<string, string>>): string {
  const named = AUDIENCE_PARAMETERS.flatMap(name =>
    parameters[name] === undefined ? [] : [`${name} ${parameters[name]}`],
  )
  return named.length === 0 ? '' : `, ${named.join(', ')}`
}
