import { describe, expect, it } from 'vitest'
import { renderEffective } from '../../src/config/effective.ts'
import { complaints, MINIMAL, read, readTree } from './support.ts'

const backend = (credential: unknown) => ({
  backends: [{ path: '/crm/mcp', instances: ['http://crm-1/mcp'], credential }],
})
const credentialOf = (credential: unknown) =>
  readTree({ ...MINIMAL, ...backend(credential) }).backends[0]?.credential

describe('what a backend gets', () => {
  it('is the token of the login where nothing is said', () => {
    expect(readTree(MINIMAL).backends[0]?.credential).toEqual({ kind: 'upstream' })
  })

  it.each([
    ['upstream', { kind: 'upstream' }],
    ['none', { kind: 'none' }],
    [
      { refresh: { scope: ['api://crm/.default'] } },
      { kind: 'refresh', scope: ['api://crm/.default'], params: {} },
    ],
    [
      { refresh: { scope: ['a'], params: { audience: 'crm' } } },
      { kind: 'refresh', scope: ['a'], params: { audience: 'crm' } },
    ],
    [{ onBehalfOf: { scope: ['a'] } }, { kind: 'onBehalfOf', scope: ['a'] }],
    [{ exchange: { audience: 'crm' } }, { kind: 'exchange', audience: 'crm', scope: [] }],
    [{ assertion: { audience: 'crm' } }, { kind: 'assertion', audience: 'crm', ttlSeconds: 120 }],
    [
      { assertion: { audience: 'crm', ttl: '5m' } },
      { kind: 'assertion', audience: 'crm', ttlSeconds: 300 },
    ],
  ])('is what is said: %j', (written, used) => {
    expect(credentialOf(written)).toEqual(used)
    const effective = renderEffective(readTree({ ...MINIMAL, ...backend(written) }))
    expect(read(effective).backends[0]?.credential).toEqual(used)
  })

  it.each([
    ['anything', 'takes one of refresh, onBehalfOf, exchange, assertion', {}],
    [
      'only one',
      'takes one of refresh, onBehalfOf, exchange, assertion, and has refresh and onBehalfOf',
      { refresh: { scope: ['a'] }, onBehalfOf: { scope: ['a'] } },
    ],
  ])('is not %s', (_, message, credential) => {
    expect(complaints(backend(credential))).toEqual([`backends[0].credential: ${message}`])
  })

  it.each([
    [
      'pass',
      'credential: expected upstream, none, or a section with one of refresh, onBehalfOf, exchange and assertion',
    ],
    [{ refresh: { scope: [] } }, 'credential.refresh.scope: needs at least one entry'],
    [{ exchange: {} }, 'credential.exchange: needs an audience, a resource or a scope'],
    [
      { exchange: { resource: 'crm' } },
      'credential.exchange.resource: expected an absolute URI without a fragment',
    ],
    [
      { assertion: { audience: 'crm', ttl: '6m' } },
      'credential.assertion.ttl: must be from 10s to 5m',
    ],
  ])('is refused where it is faulty: %j', (credential, complaint) => {
    expect(complaints(backend(credential))).toEqual([`backends[0].${complaint}`])
  })
})
