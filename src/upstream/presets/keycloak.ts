import type { UpstreamPreset } from '../preset.ts'
import { COMMON, SCOPES_WITH_OFFLINE_ACCESS } from './common.ts'

/** Keycloak. @see docs/upstreams/keycloak.md */
export const keycloak: UpstreamPreset = {
  ...COMMON,
  title: 'Keycloak.',
  settings: {
    baseUrl: {
      description: 'Where Keycloak is, without `/realms/…`.',
      kind: 'url',
    },
    realm: {
      description: 'The realm.',
      kind: 'text',
      pattern: /^[^\s/?#%]+$/,
      expected: 'expected the name of a realm',
    },
  },
  issuer: '{baseUrl}/realms/{realm}',
  scopes: SCOPES_WITH_OFFLINE_ACCESS,
  failures: [{ says: /user disabled/i, kind: 'dead', problem: 'account-disabled' }],
}
