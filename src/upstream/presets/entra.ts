import { STANDARD_CLAIMS } from '../identity.ts'
import type { UpstreamPreset } from '../preset.ts'
import { COMMON, SCOPES_WITH_OFFLINE_ACCESS } from './common.ts'
import { ENTRA_FAILURES, ENTRA_SCOPE_TEMPLATE, findEntraFaults } from './entra-rules.ts'

const GUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'

/** Microsoft Entra ID. @see docs/upstreams/entra.md */
export const entra: UpstreamPreset = {
  ...COMMON,
  title: 'Microsoft Entra ID.',
  settings: {
    tenant: {
      description:
        'The tenant id, or `organizations` or `common` for several tenants, which `allowedTenants` then lists.',
      kind: 'text',
      pattern: new RegExp(`^(${GUID}|organizations|common)$`),
      expected:
        'expected the tenant id, a GUID in lower case, or organizations or common for several',
    },
    allowedTenants: {
      description:
        'Ids of the tenants whose users may sign in, with `tenant: organizations` or `common`.',
      kind: 'list',
      pattern: new RegExp(`^${GUID}$`),
      expected: 'expected a tenant id, a GUID in lower case',
      isOptional: true,
    },
  },
  issuer: 'https://login.microsoftonline.com/{tenant}/v2.0',
  scopes: {
    ...SCOPES_WITH_OFFLINE_ACCESS,
    description:
      'Scopes of one API that every login asks for, besides `openid`, `profile`, `email` and `offline_access`. A bare name is one of `api://{clientId}`.',
    template: ENTRA_SCOPE_TEMPLATE,
  },
  assertion: { rsaAlgorithm: 'PS256', audience: 'tokenEndpoint' },
  defaults: {
    ...COMMON.defaults,
    // Without it: AADSTS28003, or 90009 where the client is its own resource.
    refreshScope: 'requested',
  },
  params: {
    authorize: {},
    code: { scope: '{scope}' },
    refresh: {},
  },
  // `sub` differs from app to app; `oid` is unique only within its tenant.
  claims: { ...STANDARD_CLAIMS, subject: ['tid', 'oid'] },
  tenancy: { claim: 'tid', allowed: ['allowedTenants', 'tenant'] },
  failures: ENTRA_FAILURES,
  findFaults: findEntraFaults,
}
