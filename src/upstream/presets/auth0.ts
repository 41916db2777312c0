import type { UpstreamPreset } from '../preset.ts'
import { COMMON, DOMAIN, SCOPES_WITH_OFFLINE_ACCESS } from './common.ts'

/** Auth0. @see docs/upstreams/auth0.md */
export const auth0: UpstreamPreset = {
  ...COMMON,
  title: 'Auth0.',
  settings: {
    domain: {
      ...DOMAIN,
      description: 'The domain of the tenant, or its custom domain.',
      expected: 'expected a domain such as example.eu.auth0.com, without https://',
    },
    audience: {
      description: 'The identifier of the API that access tokens are for.',
      kind: 'text',
      because: 'without it Auth0 issues opaque tokens, which no backend can check',
    },
  },
  issuer: 'https://{domain}/',
  scopes: SCOPES_WITH_OFFLINE_ACCESS,
  params: { authorize: { audience: '{audience}' }, code: {}, refresh: {} },
  credentials: ['secret', 'key'],
  // With rotation, and unless a leeway is set, a second use ends the whole family.
  defaults: { ...COMMON.defaults, repeatsRefresh: false },
  revokesAll: true,
  failures: [
    { says: /user is blocked/i, kind: 'dead', problem: 'account-disabled' },
    { error: 'mfa_required', kind: 'dead', problem: 'conditional-access' },
    { error: 'access_denied', says: /not part of the .*organization/i, problem: 'wrong-tenant' },
  ],
}
