import type { KoaContextWithOIDC } from 'oidc-provider'
import { EXCHANGE_GRANT_TYPES, type TokenExchange } from '../token-exchange.ts'
import type { VendorProfile } from './oidc-vendor.ts'

const SCOPE = 'crm.read crm.write'

/**
 * An authorization server that MCP clients use by themselves: they register, and get tokens for the resource that they name. It introspects, and exchanges tokens for the gateway.
 */
export function createAuthorizationServerProfile(
  format: 'jwt' | 'opaque',
  exchange: TokenExchange,
): VendorProfile {
  return {
    path: '',
    rotation: true,
    jwtAccessTokens: format === 'jwt',
    extend: exchange.register,
    adjust: configuration => ({
      ...configuration,
      clients: (configuration.clients ?? []).map(client => ({
        ...client,
        grant_types: [...(client.grant_types ?? []), ...EXCHANGE_GRANT_TYPES],
      })),
      clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
      scopes: [...(configuration.scopes ?? []), ...SCOPE.split(' ')],
      loadExistingGrant: grantResource,
      features: {
        devInteractions: { enabled: false },
        dPoP: { enabled: false },
        pushedAuthorizationRequests: { enabled: false },
        rpInitiatedLogout: { enabled: false },
        userinfo: { enabled: false },
        registration: { enabled: true },
        introspection: { enabled: true, allowedPolicy: async () => true },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: (_ctx, resource) => ({
            scope: SCOPE,
            audience: resource,
            accessTokenFormat: format,
            ...(format === 'jwt' && { jwt: { sign: { alg: 'RS256' } } }),
          }),
        },
      },
    }),
  }
}

async function grantResource(ctx: KoaContextWithOIDC) {
  const { client, account, provider, params } = ctx.oidc
  if (!client || !account) return undefined
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId })
  grant.addOIDCScope('openid')
  for (const resource of [params?.resource ?? []].flat()) {
    grant.addResourceScope(String(resource), SCOPE)
  }
  await grant.save()
  return grant
}
