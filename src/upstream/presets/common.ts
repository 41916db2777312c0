import { STANDARD_CLAIMS } from '../identity.ts'
import type { PresetSetting, UpstreamPreset } from '../preset.ts'
import { STANDARD_SCOPES } from '../template.ts'

/** What most providers have in common; an entry says what is different. */
export const COMMON = {
  params: { authorize: {}, code: {}, refresh: {} },
  credentials: ['secret', 'key', 'assertionFile'],
  assertion: { rsaAlgorithm: 'RS256', audience: 'issuer' },
  defaults: {
    // Not basic: it percent-encodes `-` and `_`, which some providers do not undo.
    tokenAuthMethod: 'client_secret_post',
    refreshScope: 'none',
    issParam: 'verify',
    repeatsRefresh: true,
  },
  claims: STANDARD_CLAIMS,
  failures: [],
} as const satisfies Partial<UpstreamPreset>

/** For a provider that gives a refresh token for `offline_access`. */
export const SCOPES_WITH_OFFLINE_ACCESS = {
  always: STANDARD_SCOPES,
  default: [],
  description:
    'Scopes that every login asks for, besides `openid`, `profile`, `email` and `offline_access`.',
} as const satisfies UpstreamPreset['scopes']

/** For one that does not know `offline_access`. */
export const SCOPES_WITHOUT_OFFLINE_ACCESS = {
  always: ['openid', 'profile', 'email'],
  default: [],
  description: 'Scopes that every login asks for, besides `openid`, `profile` and `email`.',
} as const satisfies UpstreamPreset['scopes']

/** A host name, maybe with a port. */
export const DOMAIN = {
  kind: 'text',
  pattern: /^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?$/i,
} as const satisfies Partial<PresetSetting>
