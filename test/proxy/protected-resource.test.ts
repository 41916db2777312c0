import { describe, expect, test } from 'vitest'
import {
  createChallenges,
  metadataPaths,
  renderMetadata,
} from '../../src/proxy/protected-resource.ts'
import { ask, backendOptions, deadUrl, PUBLIC_URL, RESOURCE, startGateway } from './support.ts'

const crm = backendOptions([])

describe('RFC 6750 section 3, RFC 9728 section 5.1: challenges', () => {
  const challenges = createChallenges(PUBLIC_URL, crm)

  test('name the absolute metadata URL on our own origin and the scope that is needed', () => {
    expect(challenges.unauthenticated).toBe(
      `Bearer resource_metadata="${PUBLIC_URL}/.well-known/oauth-protected-resource/crm/mcp", scope="mcp.access crm.read"`,
    )
  })

  test.each([
    ['invalidToken', 'invalid_token'],
    ['ambiguousCredentials', 'invalid_request'],
  ] as const)('%s carries error="%s"', (kind, error) => {
    expect(challenges[kind]).toMatch(new RegExp(`^Bearer error="${error}", `))
  })

  test('never have an empty scope, and still a parameter', () => {
    const { insufficientScope, ...all } = createChallenges(PUBLIC_URL, { ...crm, scopes: [] })
    expect(insufficientScope(['crm.read'])).toContain('scope="crm.read"')
    for (const challenge of Object.values(all)) {
      expect(challenge).toMatch(/^Bearer [a-z_]+="/)
      expect(challenge).not.toContain('scope')
    }
  })

  test('have no text in a description that reads like a parameter', () => {
    const { insufficientScope, ...fixed } = challenges
    for (const challenge of [...Object.values(fixed), insufficientScope(['crm.read'])]) {
      const description = /error_description="([^"]*)"/.exec(challenge)?.[1] ?? ''
      expect(description).not.toMatch(/scope=|error=|resource_metadata=/)
    }
  })
})

describe('RFC 9728: the metadata document', () => {
  test('names the resource and the issuer byte for byte', () => {
    expect(JSON.parse(renderMetadata(PUBLIC_URL, crm))).toEqual({
      resource: RESOURCE,
      authorization_servers: [PUBLIC_URL],
      scopes_supported: ['mcp.access', 'crm.read'],
      bearer_methods_supported: ['header'],
      resource_name: 'crm',
    })
  })

  test('does not list offline_access', () => {
    const scopes = ['offline_access', 'a']
    expect(JSON.parse(renderMetadata(PUBLIC_URL, { ...crm, scopes })).scopes_supported).toEqual([
      'a',
    ])
  })

  test('is at the path form, and at the root only for the only resource', () => {
    const own = '/.well-known/oauth-protected-resource/crm/mcp'
    expect(metadataPaths(crm, true)).toEqual([own, '/.well-known/oauth-protected-resource'])
    expect(metadataPaths(crm, false)).toEqual([own])
  })

  test('is served to any origin without a token, also to its preflight', async () => {
    const gateway = await startGateway({ instances: [await deadUrl()] })
    const path = '/.well-known/oauth-protected-resource/crm/mcp'
    const headers = { origin: 'https://anywhere.example' }
    const got = await ask(gateway, { method: 'GET', path, headers, token: null })
    expect(got.status).toBe(200)
    expect(got.headers['content-type']).toBe('application/json')
    expect(got.headers['access-control-allow-origin']).toBe('*')
    expect(JSON.parse(got.body).resource).toBe(RESOURCE)
    const preflight = await ask(gateway, {
      ...{ method: 'OPTIONS', path, token: null },
      headers: { ...headers, 'access-control-request-method': 'GET' },
    })
    expect(preflight.status).toBe(204)
    expect((await ask(gateway, { method: 'POST', path, token: null })).status).toBe(405)
  })

  test('is absent at the root where there are several resources', async () => {
    const wiki = { ...crm, name: 'wiki', path: '/wiki/mcp', resource: `${PUBLIC_URL}/wiki/mcp` }
    const instances = [await deadUrl()]
    const backends = [crm, wiki].map(backend => ({ ...backend, instances }))
    const gateway = await startGateway({ instances, proxy: { backends } })
    const path = '/.well-known/oauth-protected-resource'
    expect((await ask(gateway, { method: 'GET', path, token: null })).status).toBe(404)
    const own = await ask(gateway, { method: 'GET', path: `${path}/wiki/mcp`, token: null })
    expect(JSON.parse(own.body).resource).toBe(wiki.resource)
  })
})
