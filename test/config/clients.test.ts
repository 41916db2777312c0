import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { renderEffective } from '../../src/config/effective.ts'
import { digest } from '../../src/domain/secret.ts'
import { complaints, MINIMAL, parseYaml, readTree } from './support.ts'

const CLIENT = { id: 'portal', name: 'Portal', redirectUris: ['https://portal.example.com/cb'] }
const HASH = `sha256:${digest('secret')}`
const JWKS = { keys: [{ kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ' }] }

function faults(client: Record<string, unknown>): string[] {
  return complaints({ clients: [{ ...CLIENT, ...client }] })
}

describe('clients', () => {
  it('are none by default', () => {
    expect(readTree(MINIMAL).clients).toEqual([])
  })

  it('have their secret hash in one form, however it is written', () => {
    const hex = createHash('sha256').update('secret').digest('hex')
    for (const secretHash of [HASH, `sha256:${hex}`, `sha256:${hex.toUpperCase()}`]) {
      const { clients } = readTree({ ...MINIMAL, clients: [{ ...CLIENT, secretHash }] })
      expect(clients[0]?.secretHash).toBe(digest('secret'))
    }
  })

  it('have their keys as YAML, or as JSON from a file', () => {
    const read = (jwks: unknown) =>
      readTree(
        { ...MINIMAL, clients: [{ ...CLIENT, jwks }] },
        { files: { 'portal.jwks.json': `${JSON.stringify(JWKS)}\n` } },
      ).clients[0]?.jwks
    expect(read(JWKS)).toEqual(JWKS)
    expect(read('file:portal.jwks.json')).toEqual(JWKS)
  })

  it('load again from their effective form', () => {
    const clients = [
      { ...CLIENT, secretHash: HASH, scopes: ['mcp'], trusted: true },
      { ...CLIENT, id: 'https://app.example.com/client.json', jwks: JWKS },
      { id: 'audit', name: 'Audit', introspection: true, jwksUri: 'https://a.example/jwks' },
    ]
    const config = readTree({
      ...MINIMAL,
      clients,
      registration: { redirectHosts: ['claude.ai'], loopback: false },
      clientDocuments: { allow: ['*.example.com'], deny: ['bad.example.com'] },
    })
    const {
      clients: again,
      registration,
      clientDocuments,
    } = readTree(parseYaml(renderEffective(config)))
    expect({ ...config, clients: again, registration, clientDocuments }).toEqual(config)
  })

  it.each([
    [{}, []],
    [{ redirectUris: ['http://localhost/cb', 'cursor://x/cb'] }, []],
    [{ id: 'a/b' }, ['clients[0].id: expected letters']],
    [{ id: 'https://app.example.com/' }, ['clients[0].id: expected letters']],
    [{ redirectUris: ['javascript:x'] }, ['clients[0].redirectUris[0]: uses a scheme']],
    [{ redirectUris: ['http://a.example/'] }, ['clients[0].redirectUris[0]: uses plain http']],
    [{ redirectUris: [] }, ['clients[0].redirectUris: is needed']],
    [{ secretHash: 'secret' }, ['clients[0].secretHash: expected sha256:']],
    [{ secretHash: 'md5:abc' }, ['clients[0].secretHash: expected sha256:']],
    [{ jwks: { keys: [] } }, ['clients[0].jwks: has no public key']],
    [{ jwks: '{' }, ['clients[0].jwks: is not a JWK Set']],
    [{ jwks: { keys: [{ kty: 'oct', k: 'x' }] } }, ['clients[0].jwks: contains a private']],
    [{ jwksUri: 'http://a.example/' }, ['clients[0].jwksUri: expected an https URL']],
    [{ jwks: JWKS, secretHash: HASH }, ['clients[0].jwks: one of']],
    [{ introspection: true }, ['clients[0].introspection: needs']],
    [{ introspection: true, secretHash: HASH, redirectUris: [] }, []],
    [{ scopes: ['a b'] }, ['clients[0].scopes[0]: is not a scope']],
    [{ secret: 'x' }, ['clients[0].secret: unknown']],
  ])('%j: %j', (client, expected) => {
    expect(faults(client)).toEqual(expected.map(text => expect.stringContaining(text)))
  })

  it.each([
    [{ redirectUris: ['https://portal.example.com/cb'] }, []],
    [{ redirectUris: ['http://localhost/cb'] }, ['clients[0].trusted: needs']],
    [{ redirectUris: ['https://a.example/', 'app://cb'] }, ['clients[0].trusted: needs']],
    [{ redirectUris: ['http://localhost/cb'], secretHash: HASH }, []],
  ])('are trusted only where nobody can pose as them: %j', (client, expected) => {
    const found = faults({ ...client, trusted: true })
    expect(found).toEqual(expected.map(text => expect.stringContaining(text)))
  })

  it('have different ids', () => {
    expect(complaints({ clients: [CLIENT, { ...CLIENT, name: 'Other' }] })).toEqual([
      'clients[1].id: is the id of another client',
    ])
  })
})

describe('registration and clientDocuments', () => {
  it('are on by default, for everybody', () => {
    expect(readTree(MINIMAL)).toMatchObject({
      registration: { enabled: true, loopback: true, appSchemes: true },
      clientDocuments: { enabled: true, deny: [] },
    })
    expect(readTree(MINIMAL).clientDocuments).not.toHaveProperty('allow')
    expect(readTree(MINIMAL).registration).not.toHaveProperty('redirectHosts')
  })

  it('take hosts and nothing else', () => {
    const hosts = ['Claude.AI', '*.example.com']
    const { registration } = readTree({ ...MINIMAL, registration: { redirectHosts: hosts } })
    expect(registration.redirectHosts).toEqual(['claude.ai', '*.example.com'])
    expect(complaints({ clientDocuments: { allow: ['https://claude.ai'], deny: ['*'] } })).toEqual([
      expect.stringContaining('clientDocuments.allow[0]: expected a host'),
      expect.stringContaining('clientDocuments.deny[0]: expected a host'),
    ])
  })

  it('never show the initial access token', () => {
    const config = readTree({ ...MINIMAL, registration: { initialAccessToken: 'hush-hush' } })
    expect(renderEffective(config)).not.toContain('hush-hush')
    expect(config.registration.initialAccessToken).toBe('hush-hush')
  })
})
