import { STANDARD_CLAIMS } from '../identity.ts'
import type { UpstreamPreset } from '../preset.ts'
import { COMMON } from './common.ts'

const YEAR_SECONDS = 365 * 24 * 3600

/** GitHub, which is no OpenID provider. @see docs/upstreams/github.md */
export const github: UpstreamPreset = {
  ...COMMON,
  title: 'GitHub: a GitHub App, or an OAuth app.',
  settings: {
    userUrl: {
      description:
        'Where GitHub says whose a token is. With Enterprise Server `https://HOST/api/v3/user`.',
      kind: 'url',
      default: 'https://api.github.com/user',
    },
  },
  issuer: 'https://github.com/login/oauth',
  endpoints: {
    authorization: '{issuer}/authorize',
    token: '{issuer}/access_token',
    user: '{userUrl}',
  },
  scopes: {
    always: [],
    default: ['read:user', 'user:email'],
    description: 'Scopes that every login asks for. A GitHub App has permissions instead.',
  },
  credentials: ['secret'],
  // A refresh token can be used once.
  defaults: { ...COMMON.defaults, repeatsRefresh: false },
  claims: { ...STANDARD_CLAIMS, subject: ['id'], name: 'login' },
  failures: [
    { error: 'bad_refresh_token', kind: 'dead' },
    { error: 'bad_verification_code', kind: 'dead' },
    { error: 'incorrect_client_credentials', kind: 'operator' },
    { error: 'redirect_uri_mismatch', kind: 'operator' },
    { error: 'application_suspended', kind: 'operator' },
  ],
  hasErrorsWith200: true,
  // The tokens of an OAuth app have no end.
  unstatedLifeSeconds: YEAR_SECONDS,
}
