import { STANDARD_CLAIMS } from '../identity.ts'
import type { UpstreamPreset } from '../preset.ts'
import { COMMON, SCOPES_WITHOUT_OFFLINE_ACCESS } from './common.ts'

/** Amazon Cognito. @see docs/upstreams/cognito.md */
export const cognito: UpstreamPreset = {
  ...COMMON,
  title: 'Amazon Cognito user pools.',
  settings: {
    region: {
      description: 'The region of the user pool.',
      kind: 'text',
      pattern: /^[a-z]{2}(-[a-z]+)+-\d$/,
      expected: 'expected a region such as eu-central-1',
    },
    userPoolId: {
      description: 'The id of the user pool.',
      kind: 'text',
      pattern: /^[\w-]+_[0-9a-zA-Z]+$/,
      expected: 'expected the id of a user pool, such as eu-central-1_AbCdEfGhI',
    },
  },
  issuer: 'https://cognito-idp.{region}.amazonaws.com/{userPoolId}',
  scopes: SCOPES_WITHOUT_OFFLINE_ACCESS,
  credentials: ['secret'],
  claims: { ...STANDARD_CLAIMS, groups: 'cognito:groups', roles: 'cognito:roles' },
  failures: [
    { says: /user is (disabled|not enabled)/i, kind: 'dead', problem: 'account-disabled' },
  ],
}
