import type { UpstreamPreset } from '../preset.ts'
import { STANDARD_SCOPES } from '../template.ts'
import { COMMON } from './common.ts'

/** Any other OpenID provider. @see docs/upstreams/oidc.md */
export const oidc: UpstreamPreset = {
  ...COMMON,
  title: 'Any OpenID Connect provider that publishes its metadata.',
  settings: {
    issuer: {
      description: 'The issuer, byte for byte as in its metadata; https unless loopback.',
      kind: 'url',
    },
    offlineAccess: {
      description:
        'Whether `scopes` must contain `offline_access`. `false` for an IdP that gives refresh tokens without.',
      kind: 'flag',
      default: true,
    },
  },
  issuer: '{issuer}',
  scopes: {
    always: [],
    default: STANDARD_SCOPES,
    description:
      'Scopes that every login asks for. Most IdPs give a refresh token for `offline_access` only.',
  },
  defaults: { ...COMMON.defaults, refreshScope: 'requested', repeatsRefresh: false },
  findFaults: ({ scopes, offlineAccess }) => {
    if (!Array.isArray(scopes)) return []
    const faults: [boolean, string][] = [
      [scopes.includes('openid'), 'must contain openid: without an ID token the user is unknown'],
      [
        offlineAccess === false || scopes.includes('offline_access'),
        'must contain offline_access: without it most IdPs give no refresh token, and people sign in again each hour; offlineAccess: false where yours needs none',
      ],
    ]
    return faults.flatMap(([isRight, message]) => (isRight ? [] : [{ key: 'scopes', message }]))
  },
}
