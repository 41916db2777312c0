import { exportJWK, generateKeyPair } from 'jose'
import {
  type Account,
  type Configuration,
  errors,
  type Grant,
  interactionPolicy,
  type JWKS,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { IdpStorage } from './idp-storage.ts'
import type { DevUser } from './users.ts'

/** The one confidential client of an embedded IdP: the gateway. */
export type IdpClient = {
  id: string
  secret: string
  redirectUris: readonly string[]
  /** Beyond the code flow. */
  furtherGrantTypes?: readonly string[]
}

export type IdpSettings = {
  client: IdpClient
  users: readonly DevUser[]
  storage: IdpStorage
  /** Private signing keys. */
  jwks: JWKS
  /** Signs the IdP's own cookies. */
  cookieKey: string
  accessTokenTtlSeconds: number
  accessTokenFormat: 'jwt' | 'opaque'
  rotateRefreshTokens: boolean
  /** Path of the sign-in page of one interaction. */
  signInPath: (interactionId: string) => string
  renderError: NonNullable<Configuration['renderError']>
}

/** Audience of the access tokens. The gateway never names it: as with a custom authorization server at an IdP, it is the default. */
export const IDP_RESOURCE = 'urn:mcp-auth-gateway:sample-backends'

/** What the access tokens may be asked for. Without `openid`: oidc-provider would ask for consent to it for ever. */
const RESOURCE_SCOPE = 'mcp.access profile email groups offline_access'

const OIDC_SCOPE = 'openid profile email groups offline_access'

const DAY_SECONDS = 24 * 3600

const LIFETIMES = {
  AuthorizationCode: 60,
  Grant: 90 * DAY_SECONDS,
  IdToken: 3600,
  Interaction: 3600,
  RefreshToken: 30 * DAY_SECONDS,
  Session: DAY_SECONDS,
}

/** A fresh RSA key set, as a provider wants it. */
export async function createSigningKeys(): Promise<JWKS> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const key = await exportJWK(privateKey)
  return { keys: [{ ...key, kty: 'RSA', use: 'sig', alg: 'RS256', kid: crypto.randomUUID() }] }
}

/**
 * Configures oidc-provider as an IdP of the usual kind: code flow with PKCE, refresh tokens for `offline_access`, JWT access tokens for a default resource, consent
 * granted already. Everything that oidc-provider would warn about on the console is set.
 */
export function createIdpConfiguration(settings: IdpSettings): Configuration {
  const { client, storage, jwks, cookieKey } = settings
  return {
    adapter: storage.adapter,
    jwks,
    cookies: {
      keys: [cookieKey],
      names: { session: 'idp_session', interaction: 'idp_sign_in', resume: 'idp_resume' },
    },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [...client.redirectUris],
        grant_types: ['authorization_code', 'refresh_token', ...(client.furtherGrantTypes ?? [])],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    scopes: OIDC_SCOPE.split(' '),
    claims: {
      openid: ['sub'],
      profile: ['name', 'groups'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    conformIdTokenClaims: false,
    clockTolerance: 0,
    pkce: { required: () => true },
    ttl: { ...LIFETIMES, AccessToken: settings.accessTokenTtlSeconds },
    rotateRefreshToken: settings.rotateRefreshTokens,
    expiresWithSession: async () => false,
    clientBasedCORS: () => false,
    findAccount: (_ctx, subject) => findAccount(settings.users, subject),
    extraTokenClaims: (_ctx, token) =>
      'accountId' in token ? claimsOf(settings.users, token.accountId) : undefined,
    loadExistingGrant: grantEverything,
    interactions: {
      policy: createPolicy(),
      url: (_ctx, interaction) => settings.signInPath(interaction.uid),
    },
    renderError: settings.renderError,
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx, caller, token) => token.clientId === caller.clientId,
      },
      resourceIndicators: createResourceIndicators(settings),
    },
  }
}

function createResourceIndicators(settings: IdpSettings) {
  return {
    enabled: true,
    defaultResource: () => IDP_RESOURCE,
    useGrantedResource: () => true,
    getResourceServerInfo: (_ctx: KoaContextWithOIDC, resource: string) => {
      if (resource !== IDP_RESOURCE) throw new errors.InvalidTarget()
      return {
        scope: RESOURCE_SCOPE,
        audience: IDP_RESOURCE,
        accessTokenTTL: settings.accessTokenTtlSeconds,
        accessTokenFormat: settings.accessTokenFormat,
      }
    },
  }
}

/** Login as usual; consent is a prompt that may be asked for and is never pending, since every grant is given already. */
function createPolicy(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  policy.get('consent')?.checks.clear()
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0)
  return policy
}

/** A grant of its own for each authorization, so that revoking one login leaves the user's other ones alone. */
async function grantEverything(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { client, account, provider } = ctx.oidc
  if (!client || !account) return undefined
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId })
  grant.addOIDCScope(OIDC_SCOPE)
  grant.addResourceScope(IDP_RESOURCE, RESOURCE_SCOPE)
  await grant.save()
  return grant
}

function findAccount(users: readonly DevUser[], subject: string): Account | undefined {
  if (!users.some(user => user.subject === subject)) return undefined
  return {
    accountId: subject,
    claims: () => ({ sub: subject, ...claimsOf(users, subject) }),
  }
}

function claimsOf(users: readonly DevUser[], subject: string) {
  const user = users.find(candidate => candidate.subject === subject)
  if (!user) return {}
  return { name: user.name, email: user.email, email_verified: true, groups: [...user.groups] }
}
