import type { UpstreamPreset } from '../preset.ts'
import { COMMON, DOMAIN, SCOPES_WITH_OFFLINE_ACCESS } from './common.ts'

/** Okta. @see docs/upstreams/okta.md */
export const okta: UpstreamPreset = {
  ...COMMON,
  title: 'Okta, with a custom authorization server.',
  settings: {
    domain: {
      ...DOMAIN,
      description: 'The domain of the organization, or its custom domain.',
      expected: 'expected a domain such as example.okta.com, without https://',
    },
    authorizationServer: {
      description: 'The id of the custom authorization server.',
      kind: 'text',
      pattern: /^[\w-]+$/,
      expected: 'expected the id of a custom authorization server, such as default',
      default: 'default',
    },
  },
  issuer: 'https://{domain}/oauth2/{authorizationServer}',
  scopes: SCOPES_WITH_OFFLINE_ACCESS,
  credentials: ['secret', 'key'],
  assertion: { rsaAlgorithm: 'RS256', audience: 'tokenEndpoint' },
  // It forgives a second use for a grace period of 30 s.
  defaults: { ...COMMON.defaults, refreshScope: 'requested' },
  failures: [{ error: 'access_denied', says: /not assigned/i, problem: 'not-assigned' }],
  findFaults: ({ authorizationServer }) =>
    authorizationServer === 'org'
      ? [
          {
            key: 'authorizationServer',
            message:
              'must be a custom authorization server, such as default: the tokens of the org authorization server are opaque, and for Okta only',
          },
        ]
      : [],
}
