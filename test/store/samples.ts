import type {
  AuthorizationCode,
  AuthorizationRequest,
  PendingLogin,
} from '../../src/domain/authorization-request.ts'
import type { Grant, UpstreamTokens } from '../../src/domain/grant.ts'
import { createId, createSecret } from '../../src/domain/secret.ts'

/** Records as the gateway writes them, each with identifiers and secrets of its own. */

function sampleRequest(): AuthorizationRequest {
  return {
    clientId: `client-${createId()}`,
    clientName: 'Sample client',
    redirectUri: 'http://127.0.0.1:7777/callback',
    state: createSecret(),
    codeChallenge: createSecret(),
    resource: 'https://mcp.example.com/crm/mcp',
    scope: ['crm:read', 'crm:write'],
  }
}

export function samplePending(): PendingLogin {
  return {
    stage: 'login',
    flowId: createId(),
    upstream: 'default',
    request: sampleRequest(),
    browserDigest: createSecret(),
    codeVerifier: createSecret(),
    nonce: createSecret(),
  }
}

export function sampleCode(): AuthorizationCode {
  return {
    flowId: createId(),
    grantId: createId(),
    clientId: `client-${createId()}`,
    redirectUri: 'http://127.0.0.1:7777/callback',
    codeChallenge: createSecret(),
    resource: 'https://mcp.example.com/crm/mcp',
  }
}

/** @param now epoch seconds */
export function sampleTokens(now: number): UpstreamTokens {
  return {
    accessToken: createSecret(),
    issuedAt: now,
    expiresAt: now + 3600,
    refreshToken: createSecret(),
    scope: ['openid', 'mcp.access'],
  }
}

/** @param now epoch seconds */
export function sampleGrant(now: number, changes: Partial<Grant> = {}): Grant {
  return {
    grantId: createId(),
    clientId: `client-${createId()}`,
    clientName: 'Sample client',
    upstream: 'default',
    identity: {
      issuer: 'https://idp.example.com',
      subject: `user-${createId()}`,
      email: 'user@example.com',
      groups: ['sales'],
      claims: { department: 'north', level: 3 },
    },
    resource: 'https://mcp.example.com/crm/mcp',
    scope: ['crm:read'],
    openedAt: now,
    claims: '{"access_token":{"acrs":{"value":"c1"}}}',
    upstreamTokens: sampleTokens(now),
    version: 0,
    ...changes,
  }
}
