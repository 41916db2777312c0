import { describe, expect, it } from 'vitest'
import { API, AUTH0, KEYCLOAK, OIDC, OKTA } from '../support/upstreams/oidc-profiles.ts'
import type { OidcVendor, VendorProfile } from '../support/upstreams/oidc-vendor.ts'
import { findGrant, stageOidc } from '../support/upstreams/scene.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

type Preset = [name: string, profile: VendorProfile, settings: Record<string, unknown>]

const PRESETS: Preset[] = [
  ['auth0', AUTH0, { domain: 'example.eu.auth0.com', audience: API }],
  ['okta', OKTA, { domain: 'example.okta.com' }],
  ['keycloak', KEYCLOAK, { baseUrl: 'https://id.example.com', realm: 'main' }],
  ['oidc', OIDC, {}],
]

describe.each(PRESETS)(
  'provider: %s, credential: exchange (RFC 8693 section 2.1)',
  (provider, profile, settings) => {
    it('sends exactly the exchange, and the backend gets what comes of it', async () => {
      const exchange = {
        audience: 'api://crm',
        scope: ['crm.use'],
        requestedTokenType: ACCESS_TOKEN,
      }
      const { vendor, replicas, user } = await stageOidc(
        profile,
        ({ issuer }: OidcVendor) => ({ provider, ...settings, issuer }),
        {
          more: async (_callback, url) => ({
            backends: [{ path: '/crm/mcp', instances: [url], credential: { exchange } }],
          }),
        },
      )
      vendor.intercept(({ form }) =>
        form.grant_type === EXCHANGE
          ? { json: { access_token: 'exchanged', token_type: 'Bearer', expires_in: 300 } }
          : undefined,
      )
      const tokens = await user.signIn()
      expect(await user.call(tokens.access_token)).toBe(200)
      const { upstreamTokens } = await findGrant(replicas, tokens.refresh_token)
      const sent = vendor.requestsTo('token').filter(({ form }) => form.grant_type === EXCHANGE)
      expect(sent.map(({ form }) => form)).toEqual([
        {
          grant_type: EXCHANGE,
          subject_token: upstreamTokens.accessToken,
          subject_token_type: ACCESS_TOKEN,
          requested_token_type: ACCESS_TOKEN,
          audience: 'api://crm',
          scope: 'crm.use',
          client_id: vendor.clientId,
          client_secret: vendor.clientSecret,
        },
      ])
      expect(replicas.backendTokens).toEqual(['Bearer exchanged'])
    })
  },
)
