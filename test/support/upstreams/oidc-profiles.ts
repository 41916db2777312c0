import { decodeJwt, importJWK, type JWK, SignJWT } from 'jose'
import type { Adapter, AdapterPayload, Configuration } from 'oidc-provider'
import { IDP_RESOURCE } from '../../../src/dev/idp-configuration.ts'
import type { IdpStorage } from '../../../src/dev/idp-storage.ts'
import type { Fields, VendorProfile } from './oidc-vendor.ts'
import type { VendorAnswer, VendorRequest } from './vendor-server.ts'

/** The audience of the API, wherever a vendor wants one to be named. */
export const API = IDP_RESOURCE

/** How long the Okta-like provider forgives a second use. */
const OKTA_GRACE_MS = 2000

/** A custom authorization server: its tokens are JWTs for a fixed audience; rotation with a grace period. */
export const OKTA: VendorProfile = {
  path: '/oauth2/default',
  rotation: true,
  jwtAccessTokens: true,
  prepare: impliesConsent,
  adjust: (configuration, storage) => ({
    ...configuration,
    adapter: withGrace(storage, OKTA_GRACE_MS),
  }),
}

/** Its issuer ends with a slash; access tokens are JWTs only for an `audience`; a second use of a refresh token ends the family. */
export const AUTH0: VendorProfile = {
  path: '/',
  rotation: true,
  jwtAccessTokens: true,
  prepare: impliesConsent,
  adjust: configuration => ({
    ...configuration,
    extraParams: ['audience'],
    features: {
      ...configuration.features,
      resourceIndicators: {
        ...configuration.features?.resourceIndicators,
        // Without one the token is opaque.
        defaultResource: ctx => ctx.oidc.params?.audience as string,
      },
    },
  }),
}

/** Refresh tokens are not rotated; an offline one has no end, which is said with a zero. */
export const KEYCLOAK: VendorProfile = {
  path: '/realms/main',
  rotation: false,
  jwtAccessTokens: true,
  prepare: impliesConsent,
  change: answer =>
    'access_token' in answer
      ? { ...answer, refresh_expires_in: 0, 'not-before-policy': 0, session_state: 'some-session' }
      : answer,
}

/** No `offline_access`; a refresh takes a refresh token only, and gives none; the access token has a client and no audience. */
export const COGNITO: VendorProfile = {
  path: '/eu-central-1_Example',
  rotation: false,
  jwtAccessTokens: true,
  check: request => refusesOfflineAccess(request) ?? refusesRefreshParameters(request),
  adjust: alwaysRefreshable,
  change: async (answer, { form }, { keys }) => {
    if (typeof answer.access_token !== 'string') return answer
    const { refresh_token: refreshToken, ...rest } = answer
    const { aud: _none, ...claims } = decodeJwt(answer.access_token)
    const [jwk] = keys
    const key = await importJWK(jwk as JWK, 'RS256')
    const accessToken = await new SignJWT({ ...claims, token_use: 'access' })
      .setProtectedHeader({ alg: 'RS256', kid: jwk?.kid ?? '' })
      .sign(key)
    return {
      ...rest,
      access_token: accessToken,
      ...(form.grant_type !== 'refresh_token' && { refresh_token: refreshToken }),
    }
  },
}

/** Opaque access tokens; a refresh token only for `access_type=offline` with `prompt=consent`, and none at a refresh; `iss` comes though it is not advertised. */
export function createGoogle(): VendorProfile {
  let isOffline = false
  return {
    path: '',
    rotation: false,
    jwtAccessTokens: false,
    check: request => {
      if (request.path === '/auth') {
        const { access_type: accessType, prompt = '' } = request.query
        isOffline = accessType === 'offline' && prompt.split(' ').includes('consent')
      }
      return refusesOfflineAccess(request)
    },
    adjust: withHostedDomain,
    change: ({ authorization_response_iss_parameter_supported: _quiet, ...answer }, { form }) =>
      form.grant_type === 'refresh_token' || !isOffline ? without(answer, 'refresh_token') : answer,
  }
}

/** A plain provider that does as the standards say. */
export const OIDC: VendorProfile = {
  path: '',
  rotation: true,
  jwtAccessTokens: true,
  prepare: impliesConsent,
}

function without(answer: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(answer).filter(([key]) => key !== name))
}

function alwaysRefreshable(configuration: Configuration): Configuration {
  return { ...configuration, issueRefreshToken: async () => true }
}

/** Bob has an account of his own, outside any Workspace. */
function withHostedDomain(configuration: Configuration): Configuration {
  return {
    ...alwaysRefreshable(configuration),
    extraParams: ['access_type', 'hd'],
    claims: { ...configuration.claims, openid: ['sub', 'hd'] },
    findAccount: async (ctx, subject, token) => {
      const account = await configuration.findAccount?.(ctx, subject, token)
      if (!account) return undefined
      const claims: typeof account.claims = async (...call) => ({
        ...(await account.claims(...call)),
        ...(subject !== 'bob' && { hd: 'example.com' }),
      })
      return { ...account, claims }
    },
  }
}

/** The prompt without which oidc-provider drops `offline_access`; the vendors do not want it. */
function impliesConsent(request: VendorRequest): VendorRequest {
  const { query, path } = request
  const isAsked = query.scope?.split(' ').includes('offline_access') ?? false
  if (!path.endsWith('/auth') || !isAsked) return request
  const prompts = new Set([...(query.prompt?.split(' ') ?? []), 'consent'])
  return { ...request, query: { ...query, prompt: [...prompts].join(' ') } }
}

function refusesOfflineAccess({ path, query }: VendorRequest): VendorAnswer | undefined {
  const isAsked = query.scope?.split(' ').includes('offline_access') ?? false
  if (!path.endsWith('/auth') || !isAsked) return undefined
  const url = new URL(query.redirect_uri ?? '')
  const answer = { error: 'invalid_scope', state: query.state ?? '' }
  url.search = new URLSearchParams(answer).toString()
  return { redirect: url.href }
}

function refusesRefreshParameters({ form }: VendorRequest): VendorAnswer | undefined {
  const known = new Set(['grant_type', 'refresh_token', 'client_id', 'client_secret'])
  const isRefresh = form.grant_type === 'refresh_token'
  const foreign = Object.keys(form).filter(name => !known.has(name))
  return isRefresh && foreign.length > 0
    ? { status: 400, json: { error: 'invalid_request' } }
    : undefined
}

/** A spent refresh token counts as unspent for a while. */
function withGrace(storage: IdpStorage, graceMs: number): (model: string) => Adapter {
  const spentAt = new Map<string, number>()
  return model => {
    const adapter = storage.adapter(model) as Adapter
    if (model !== 'RefreshToken') return adapter
    return {
      ...adapter,
      consume: async id => {
        if (!spentAt.has(id)) spentAt.set(id, performance.now())
        await adapter.consume(id)
      },
      find: async id => {
        const record = await adapter.find(id)
        const isInGrace = performance.now() - (spentAt.get(id) ?? Number.NaN) < graceMs
        return record && isInGrace ? unspent(record) : record
      },
    }
  }
}

function unspent({ consumed: _spent, ...record }: AdapterPayload): AdapterPayload {
  return record
}
