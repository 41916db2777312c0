import { describe, expect, it } from 'vitest'
import { renderEffective } from '../../src/config/effective.ts'
import { digest } from '../../src/domain/secret.ts'
import { complaints, LOGINLESS, MINIMAL, parseYaml, readTree } from './support.ts'

const HASH = `sha256:${digest('secret')}`
const IDP = { issuer: 'https://acme.idp.example' }
const MACHINE = { id: 'nightly', name: 'Nightly', secretHash: HASH, clientCredentials: true }

const expecting = (faults: string[]) => faults.map(text => expect.stringContaining(text))

describe('enterprise', () => {
  it('is nothing by default', () => {
    expect(readTree(MINIMAL).enterprise).toBeUndefined()
  })

  it('loads again from its effective form', () => {
    const issuers = [
      { ...IDP, jwksUri: 'https://acme.idp.example/keys', clients: ['assistant'] },
      { issuer: 'http://127.0.0.1:9000/realms/a' },
    ]
    const config = readTree({ ...MINIMAL, ...LOGINLESS, enterprise: { issuers } })
    expect(config.enterprise).toEqual({ issuers })
    expect(readTree(parseYaml(renderEffective(config))).enterprise).toEqual({ issuers })
  })

  it.each([
    [{}, ['enterprise.issuers: is required']],
    [{ issuers: [] }, ['enterprise.issuers: ']],
    [{ issuers: [{}] }, ['enterprise.issuers[0].issuer: ']],
    [{ issuers: [{ issuer: 'http://idp.example' }] }, ['enterprise.issuers[0].issuer: must be']],
    [
      { issuers: [{ ...IDP, jwksUri: 'ftp://idp.example' }] },
      ['enterprise.issuers[0].jwksUri: expected'],
    ],
    [{ issuers: [IDP, IDP] }, ['enterprise.issuers[1].issuer: is the issuer of another']],
    [{ issuers: [{ ...IDP, audience: 'x' }] }, ['enterprise.issuers[0].audience: unknown']],
  ])('%j: %j', (enterprise, expected) => {
    expect(complaints({ ...LOGINLESS, enterprise })).toEqual(expecting(expected))
  })
})

describe('a client with clientCredentials', () => {
  it('needs no redirect URI, but a proof', () => {
    const { secretHash: _, ...unproven } = MACHINE
    expect(complaints({ ...LOGINLESS, clients: [MACHINE] })).toEqual([])
    expect(complaints({ ...LOGINLESS, clients: [unproven] })).toEqual(
      expecting(['clients[0].clientCredentials: needs secretHash']),
    )
  })
})

describe('a backend that needs no login', () => {
  const wanting = { clients: [MACHINE], enterprise: { issuers: [IDP] } }
  const backends = (credential: unknown) => ({
    backends: [{ path: '/crm/mcp', instances: ['http://crm-1/mcp'], credential }],
  })

  it.each(['none', { assertion: { audience: 'crm' } }])('is one with %j', credential => {
    expect(complaints({ ...backends(credential), ...wanting })).toEqual([])
  })

  it.each(['upstream', { exchange: { audience: 'crm' } }])('is none with %j', credential => {
    expect(complaints({ ...backends(credential), ...wanting })).toEqual(
      expecting(['clients[0].clientCredentials: needs a backend', 'enterprise: needs a backend']),
    )
  })
})
