import { randomUUID } from 'node:crypto'
import { createSecret } from '../../../src/domain/secret.ts'
import { checkEntraClient, type EntraClient } from './entra-client.ts'
import { describeEntraError, type EntraCode, renderEntraError } from './entra-errors.ts'
import { readEntraScope } from './entra-scope.ts'
import {
  claimsOf,
  createEntraKeys,
  type EntraKeys,
  type EntraUser,
  findAssertionFault,
  issuerOf,
} from './entra-tokens.ts'
import { isVerified } from './pkce.ts'
import {
  startVendorServer,
  type VendorAnswer,
  type VendorRequest,
  type VendorServer,
} from './vendor-server.ts'

export const TENANT = '11111111-2222-3333-4444-555555555555'
export const OTHER_TENANT = '99999999-8888-7777-6666-555555555555'

export const ADELE: EntraUser = {
  tid: TENANT,
  oid: 'aaaaaaaa-0000-4000-8000-000000000001',
  name: 'Adele',
  email: 'adele@example.com',
  groups: ['bbbbbbbb-0000-4000-8000-000000000001'],
  roles: ['Reader'],
}

export type Entra = VendorServer & {
  client: EntraClient
  keys: EntraKeys
  /** Whoever is signed in at the browser. */
  signInAs(user: EntraUser): void
  /** What the token endpoint answers this user instead of tokens, until it is cleared. */
  refuse(user: EntraUser, code: EntraCode, more?: Record<string, unknown>): void
  /** The next refresh of this user, or exchange on behalf of them, wants these claims; a login that has asked for them has met them. */
  requireClaims(user: EntraUser, claims: string, at?: 'refresh' | 'onBehalfOf'): void
  /** What an exchange on behalf of this user is answered with instead of a token, until it is cleared. */
  refuseOnBehalfOf(user: EntraUser, code: EntraCode, more?: Record<string, unknown>): void
  /** APIs that tokens can be had for on behalf of users, by their application id URIs. */
  apis: Set<string>
  /** The authorization endpoint sends the browser back with this error. */
  refuseLogin(error: string, code: EntraCode): void
  clear(): void
  /** Seconds by which its clock is ahead of ours. */
  skew(seconds: number): void
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

type Issued = {
  user: EntraUser
  claims?: string | undefined
  nonce?: string | undefined
  codeChallenge?: string | undefined
  redirectUri?: string | undefined
}

/**
 * Entra ID as its clients know it: scope on every token request, one resource, old refresh tokens that stay valid, error codes that say more than `error`, claims
 * challenges, groups overage, and keys that may be bound to a tenant.
 */
export async function startEntra(): Promise<Entra> {
  const client: EntraClient = { clientId: randomUUID(), clientSecret: createSecret() }
  const keys = await createEntraKeys()
  const codes = new Map<string, Issued>()
  const refreshTokens = new Map<string, Issued>()
  const refusals = new Map<string, VendorAnswer>()
  const required = new Map<string, { claims: string; at: 'refresh' | 'onBehalfOf' }>()
  const accessTokens = new Map<string, Issued>()
  const apis = new Set(['api://crm'])
  let signedIn = ADELE
  let loginRefusal: { error: string; code: EntraCode } | undefined
  let skewSeconds = 0

  const authorize = ({ query }: VendorRequest): VendorAnswer => {
    const url = new URL(query.redirect_uri ?? '')
    const fault = query.resource === undefined ? readEntraScope(query.scope ?? '') : 9010010
    const answer = loginRefusal
      ? { error: loginRefusal.error, error_description: describeEntraError(loginRefusal.code) }
      : typeof fault === 'number'
        ? { error: 'invalid_request', error_description: describeEntraError(fault) }
        : { code: issueCode(query) }
    for (const [name, value] of Object.entries({ ...answer, state: query.state ?? '' })) {
      url.searchParams.set(name, value)
    }
    return { redirect: url.href }
  }

  const issueCode = (query: VendorRequest['query']): string => {
    const code = `1.${createSecret()}`
    const { claims, nonce, code_challenge: codeChallenge, redirect_uri: redirectUri } = query
    codes.set(code, { user: signedIn, claims, nonce, codeChallenge, redirectUri })
    return code
  }

  const issue = async (issued: Issued, granted: string): Promise<VendorAnswer> => {
    const { user, nonce } = issued
    const now = Math.floor(Date.now() / 1000) + skewSeconds
    const claims = claimsOf(user, client.clientId, now)
    const refreshToken = `1.${createSecret()}`
    refreshTokens.set(refreshToken, issued)
    const accessToken = await keys.sign({
      ...{ ...claims, jti: randomUUID(), scp: 'mcp.access' },
      ...describeContext(issued.claims),
    })
    accessTokens.set(accessToken, issued)
    return {
      json: {
        token_type: 'Bearer',
        scope: granted,
        expires_in: 3600,
        ext_expires_in: 3600,
        access_token: accessToken,
        refresh_token: refreshToken,
        id_token: await keys.sign({ ...claims, email: user.email, ...(nonce && { nonce }) }),
      },
    }
  }

  const redeem = async ({ form }: VendorRequest): Promise<VendorAnswer> => {
    const fault = (await checkEntraClient(client, form)) ?? findRequestFault(form)
    if (fault !== undefined) return renderEntraError(fault)
    const scope = readEntraScope(form.scope ?? '')
    if (typeof scope === 'number') return renderEntraError(scope)
    if (isOnBehalfOf(form)) return exchange(form, scope)
    const issued = isRefresh(form)
      ? (refreshTokens.get(form.refresh_token ?? '') ?? 70000)
      : takeCode(form)
    if (typeof issued === 'number') return renderEntraError(issued)
    return findRefusal(issued, form) ?? issue(issued, scope.granted)
  }

  const findRefusal = (issued: Issued, form: VendorRequest['form']): VendorAnswer | undefined => {
    const wanted = required.get(issued.user.oid)
    const isAsked = wanted?.at === (isOnBehalfOf(form) ? 'onBehalfOf' : 'refresh')
    const isMissing = wanted !== undefined && isAsked && issued.claims !== wanted.claims
    const { claims } = wanted ?? {}
    const step = isOnBehalfOf(form) ? 'onBehalfOf ' : ''
    if (step === '' && !isRefresh(form)) return refusals.get(issued.user.oid)
    return (
      refusals.get(step + issued.user.oid) ??
      (isMissing ? renderEntraError(50076, { suberror: 'basic_action', claims }) : undefined)
    )
  }

  /** On behalf of whoever the assertion is about: a token of ours, for us, for one API that is known here. It gives no refresh token unless it is asked to. */
  const exchange = async (
    form: VendorRequest['form'],
    { resource, granted }: Exclude<ReturnType<typeof readEntraScope>, number>,
  ): Promise<VendorAnswer> => {
    const assertion = form.assertion ?? ''
    const now = Math.floor(Date.now() / 1000) + skewSeconds
    const fault = await findAssertionFault(assertion, client.clientId, keys, now)
    if (fault !== undefined) return renderEntraError(fault)
    if (!apis.has(resource)) return renderEntraError(500011)
    const issued = accessTokens.get(assertion)
    if (!issued) return renderEntraError(50013)
    const refused = findRefusal(issued, form)
    if (refused) return refused
    const claims = { ...claimsOf(issued.user, resource, now), azp: client.clientId, scp: 'crm.use' }
    const token = await keys.sign({ ...claims, jti: randomUUID() })
    return { json: { token_type: 'Bearer', scope: granted, expires_in: 3600, access_token: token } }
  }

  const takeCode = (form: VendorRequest['form']): Issued | EntraCode => {
    const issued = codes.get(form.code ?? '')
    codes.delete(form.code ?? '')
    if (!issued) return 70008
    if (issued.redirectUri !== form.redirect_uri) return 70000
    return isVerified(issued.codeChallenge, form.code_verifier) ? issued : 50148
  }

  const server = await startVendorServer(['login.microsoftonline.com'], request => {
    const [tenant = '', ...rest] = request.path.slice(1).split('/')
    const endpoint = rest.join('/')
    if (endpoint === 'v2.0/.well-known/openid-configuration') return { json: describe(tenant) }
    if (endpoint === 'discovery/v2.0/keys') return { json: keys.jwks() }
    if (endpoint === 'oauth2/v2.0/authorize') return authorize(request)
    if (endpoint === 'oauth2/v2.0/token') return redeem(request)
    return { status: 404, json: { error: 'not_found' } }
  })
  return {
    ...server,
    client,
    keys,
    signInAs: user => {
      signedIn = user
    },
    refuse: (user, code, more) => void refusals.set(user.oid, renderEntraError(code, more)),
    requireClaims: (user, claims, at = 'refresh') => void required.set(user.oid, { claims, at }),
    refuseOnBehalfOf: (user, code, more) =>
      void refusals.set(`onBehalfOf ${user.oid}`, renderEntraError(code, more)),
    apis,
    refuseLogin: (error, code) => {
      loginRefusal = { error, code }
    },
    clear: () => {
      refusals.clear()
      required.clear()
      loginRefusal = undefined
    },
    skew: seconds => {
      skewSeconds = seconds
    },
  }
}

/** The authentication contexts that a login has asked for are in its tokens. */
function describeContext(claims: string | undefined): Record<string, unknown> {
  if (claims === undefined) return {}
  const { access_token: wanted } = JSON.parse(claims) as { access_token?: { acrs?: unknown } }
  const { value } = Object(wanted?.acrs) as { value?: string }
  return value === undefined ? {} : { acrs: [value] }
}

function isRefresh(form: VendorRequest['form']): boolean {
  return form.grant_type === 'refresh_token'
}

function isOnBehalfOf(form: VendorRequest['form']): boolean {
  return form.grant_type === JWT_BEARER
}

function findRequestFault(form: VendorRequest['form']): EntraCode | undefined {
  if (isOnBehalfOf(form) && form.requested_token_use !== 'on_behalf_of') return 900144
  if (form.resource !== undefined) return 9010010
  if (form.scope) return undefined
  return isRefresh(form) ? 90009 : 28003
}

/** An authority for several tenants publishes an issuer with a blank in it. PKCE works and is not advertised; there is no revocation endpoint. */
function describe(tenant: string): Record<string, unknown> {
  const at = `https://login.microsoftonline.com/${tenant}`
  const isShared = tenant === 'organizations' || tenant === 'common'
  return {
    issuer: issuerOf(isShared ? '{tenantid}' : tenant),
    authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
    token_endpoint: `${at}/oauth2/v2.0/token`,
    jwks_uri: `${at}/discovery/v2.0/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
  }
}
