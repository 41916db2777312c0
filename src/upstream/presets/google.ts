import type { UpstreamPreset } from '../preset.ts'
import { COMMON, DOMAIN, SCOPES_WITHOUT_OFFLINE_ACCESS } from './common.ts'

/** Google. @see docs/upstreams/google.md */
export const google: UpstreamPreset = {
  ...COMMON,
  title: 'Google.',
  settings: {
    hostedDomain: {
      ...DOMAIN,
      description: 'The Workspace domain whose accounts may sign in. Default: any Google account.',
      expected: 'expected a domain such as example.com',
      isOptional: true,
    },
  },
  issuer: 'https://accounts.google.com',
  scopes: SCOPES_WITHOUT_OFFLINE_ACCESS,
  params: {
    // Without both there is no refresh token, or only at the very first login.
    authorize: { access_type: 'offline', prompt: 'consent', hd: '{hostedDomain}' },
    code: {},
    refresh: {},
  },
  credentials: ['secret'],
  tenancy: { claim: 'hd', allowed: ['hostedDomain'] },
  revokesAll: true,
  failures: [
    { error: 'admin_policy_enforced', problem: 'consent-missing' },
    { error: 'org_internal', problem: 'wrong-tenant' },
  ],
}
