import { describe, expect, it } from 'vitest'
import { createClientKeySource } from '../../src/authorization-server/clients/client-keys.ts'
import type { ProtectedResource } from '../../src/authorization-server/context.ts'
import { checkAuthorizationRequest } from '../../src/authorization-server/login/authorization-checks.ts'
import { describeAuthorizationServer } from '../../src/authorization-server/metadata.ts'
import type { Client } from '../../src/domain/client.ts'
import { OAuthError } from '../../src/domain/oauth-error.ts'
import { createScopeCatalogue } from '../../src/domain/scope-catalogue.ts'
import { createLogger } from '../../src/observability/log.ts'

const logger = createLogger('silent')

const CATALOGUE = createScopeCatalogue(
  [
    { name: 'crm.read', isDefault: true, implies: [] },
    { name: 'crm.write', isDefault: false, implies: ['crm.read'] },
    { name: 'crm.export', isDefault: false, implies: [] },
  ],
  ['crm.read'],
)
const RESOURCE: ProtectedResource = {
  resource: 'https://mcp.example.com/crm/mcp',
  name: 'crm',
  scopes: CATALOGUE,
  upstream: 'default',
  needsLogin: true,
}
const CLIENT: Client = {
  clientId: 'client-1',
  clientName: 'A client',
  redirectUris: ['https://app.example.com/callback'],
  authMethod: 'none',
  origin: 'registered',
}

function scopeFor(scope: string | undefined, client: Partial<Client> = {}) {
  const parameters = new Map([
    ['response_type', 'code'],
    ['code_challenge', 'a'.repeat(43)],
    ['code_challenge_method', 'S256'],
    ...(scope === undefined ? [] : [['scope', scope] as const]),
  ])
  const [redirectUri = ''] = CLIENT.redirectUris
  return checkAuthorizationRequest({ ...CLIENT, ...client }, redirectUri, parameters, [RESOURCE])
    .request.scope
}

describe('RFC 6749 section 3.3: the scope of a grant', () => {
  it.each([
    ['the defaults where nothing is asked for', undefined, ['crm.read']],
    ['what is asked for and what every call needs', 'crm.export', ['crm.export', 'crm.read']],
    ['nothing twice that is implied already', 'crm.write', ['crm.write']],
    ['nothing that the resource does not know', 'openid crm.write', ['crm.write']],
    ['the defaults where it knows nothing of it', 'openid offline_access', ['crm.read']],
  ])('is %s', (_, asked, scope) => {
    expect(scopeFor(asked)).toEqual(scope)
  })

  it('is what the client registered for, where the request says nothing', () => {
    const defaultScope = ['crm.write', 'crm.export']
    expect(scopeFor(undefined, { defaultScope })).toEqual(defaultScope)
    expect(scopeFor('crm.read', { defaultScope })).toEqual(['crm.read'])
  })

  it('is not guessed from a malformed request', () => {
    expect(() => scopeFor('crm.read "')).toThrow(OAuthError)
  })
})

describe('RFC 8414 section 2: scopes_supported', () => {
  it('is everything that may be asked for, not only the defaults', () => {
    const keys = createClientKeySource(
      async () => ({ outcome: 'refused', reason: 'test' }),
      logger,
      () => 0,
    )
    const metadata = describeAuthorizationServer({
      issuer: 'https://mcp.example.com',
      resources: [RESOURCE],
      enterpriseIssuers: new Map(),
      clients: {
        registration: undefined,
        trustedRedirectHosts: [],
        preregistered: new Map(),
        documents: undefined,
        keys,
      },
    })
    expect(metadata.scopes_supported).toEqual(['crm.read', 'crm.write', 'crm.export'])
  })
})
