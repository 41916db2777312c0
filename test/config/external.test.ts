import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { renderEffective } from '../../src/config/effective.ts'
import { complaints, KEY, OIDC, readTree } from './support.ts'

const CRM = {
  path: '/crm/mcp',
  instances: ['http://crm-1:8080/mcp'],
  scopes: ['crm.read'],
  credential: { exchange: { audience: 'urn:crm' } },
}

const EXTERNAL = {
  publicUrl: 'https://mcp.example.com',
  auth: 'external',
  authorizationServer: { issuer: 'https://login.example.com' },
  upstream: OIDC,
  backends: [CRM],
}

const { upstream: _none, ...WITHOUT_UPSTREAM } = EXTERNAL

const faults = (changes: Record<string, unknown>, base: object = EXTERNAL) =>
  complaints(changes, {}, base)

const withBackend = (changes: Record<string, unknown>) => ({
  backends: [JSON.parse(JSON.stringify({ ...CRM, ...changes }))],
})

describe('auth: external', () => {
  it('needs the issuer of the tokens, and verifies by its keys unless told otherwise', () => {
    expect(readTree(EXTERNAL)).toMatchObject({
      auth: 'external',
      authorizationServer: {
        issuer: 'https://login.example.com',
        claims: { subject: 'sub', email: 'email', name: 'name', groups: 'groups', roles: 'roles' },
      },
    })
    expect(faults({ authorizationServer: undefined })).toEqual([
      'authorizationServer: is required with auth: external',
    ])
  })

  it('asks about tokens with credentials of its own, and remembers answers for a minute', () => {
    const introspection = { clientId: 'gateway', clientSecret: 'secret' }
    const server = { issuer: 'https://login.example.com', introspection }
    expect(readTree({ ...EXTERNAL, authorizationServer: server })).toMatchObject({
      authorizationServer: {
        introspection: { ...introspection, authMethod: 'client_secret_basic', cacheSeconds: 60 },
      },
    })
    const both = { ...server, jwksUri: 'https://login.example.com/jwks' }
    expect(faults({ authorizationServer: both })).toEqual([
      'authorizationServer.jwksUri: is not used with introspection',
    ])
    const forever = { ...server, introspection: { ...introspection, cache: '1h' } }
    expect(faults({ authorizationServer: forever })).toEqual([
      'authorizationServer.introspection.cache: must be from 1s to 5m',
    ])
  })

  it.each<[string, unknown, RegExp]>([
    ['none is said, which means upstream', undefined, /would pass the token of the client on/],
    ['upstream', 'upstream', /would pass the token of the client on/],
    ['refresh', { refresh: { scope: ['a'] } }, /has no refresh token/],
  ])('refuses a credential that would need a login, with the reason: %s', (_, credential, why) => {
    const found = faults(withBackend({ credential }))
    expect(found).toEqual([expect.stringMatching(why)])
    expect(found[0]).toMatch(/^backends\[0\]\.credential/)
  })

  it.each<unknown>([
    { onBehalfOf: { scope: ['api://crm/.default'] } },
    { exchange: { audience: 'urn:crm' } },
  ])('needs an upstream where tokens are exchanged: %j', credential => {
    const tree = withBackend({ credential })
    expect(faults(tree)).toEqual([])
    expect(faults(tree, WITHOUT_UPSTREAM)).toEqual([
      'upstream: is required: tokens are exchanged there',
    ])
  })

  it('needs none where backends get the word of the gateway or nothing, but keys to sign with', () => {
    expect(faults(withBackend({ credential: 'none' }), WITHOUT_UPSTREAM)).toEqual([])
    const asserts = withBackend({ credential: { assertion: { audience: 'crm' } } })
    expect(faults({ ...asserts, keys: [KEY] }, WITHOUT_UPSTREAM)).toEqual([])
    expect(faults(asserts, WITHOUT_UPSTREAM)).toEqual([
      'keys: is required: they sign the assertions, on every replica the same',
    ])
  })

  it('needs the scopes of the authorization server, if only to say that there are none', () => {
    expect(faults(withBackend({ scopes: {} }))).toEqual([])
    expect(faults(withBackend({ scopes: undefined }))).toEqual([
      'backends[0].scopes: is required with auth: external: those of the authorization server, {} for none',
    ])
  })

  it('refuses what is about clients, logins and assertions of our own', () => {
    const clients = [{ id: 'a', redirectUris: ['https://app.example.com/cb'] }]
    const enterprise = { issuers: [{ issuer: 'https://idp.example.com' }] }
    const why = 'goes with auth: gateway: here nobody gets a token'
    expect(faults({ clients })).toContain(`clients[0]: ${why}`)
    expect(faults({ enterprise })).toContain(`enterprise: ${why}`)
    expect(faults({ upstream: { provider: 'dev' }, publicUrl: 'http://localhost:8080' })).toEqual([
      'upstream.provider: dev signs people in, and with auth: external nobody signs in here',
    ])
  })

  it('can be loaded again from its effective form', () => {
    const config = readTree(EXTERNAL)
    const shown = { ...parse(renderEffective(config)), upstream: OIDC }
    expect(readTree(shown)).toEqual(config)
  })
})

describe('auth: gateway', () => {
  it('refuses what goes with the other', () => {
    const { authorizationServer } = EXTERNAL
    const backends = [{ ...CRM, audience: 'api://crm' }]
    expect(faults({ auth: 'gateway', authorizationServer, backends })).toEqual([
      'authorizationServer: goes with auth: external',
      'backends[0].audience: goes with auth: external',
    ])
  })
})
