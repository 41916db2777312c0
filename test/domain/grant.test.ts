import { describe, expect, it } from 'vitest'
import { grantExpiresAt } from '../../src/domain/grant.ts'
import { canonicalResource, findResource } from '../../src/domain/resource.ts'
import { isSubset, parseScope } from '../../src/domain/scope.ts'

const lifetime = { idleSeconds: 100, absoluteSeconds: 1000 }
const tokens = { accessToken: 'a', issuedAt: 0, expiresAt: 50 }

describe('when a grant ends: whichever comes first of', () => {
  it('its idle life', () => {
    expect(
      grantExpiresAt(
        { openedAt: 0, upstreamTokens: { ...tokens, refreshToken: 'r' } },
        lifetime,
        10,
      ),
    ).toBe(110)
  })
  it('its absolute life', () => {
    expect(
      grantExpiresAt(
        { openedAt: 0, upstreamTokens: { ...tokens, refreshToken: 'r' } },
        lifetime,
        950,
      ),
    ).toBe(1000)
  })
  it('the life of the upstream refresh token, where it is known', () => {
    const upstreamTokens = { ...tokens, refreshToken: 'r', refreshExpiresAt: 60 }
    expect(grantExpiresAt({ openedAt: 0, upstreamTokens }, lifetime, 10)).toBe(60)
  })
  it('the life of the upstream access token, where there is no refresh token', () => {
    expect(grantExpiresAt({ openedAt: 0, upstreamTokens: tokens }, lifetime, 10)).toBe(50)
  })
})

describe('resources (RFC 8707)', () => {
  it.each([
    ['HTTPS://MCP.Example.com/crm/mcp', 'https://mcp.example.com/crm/mcp'],
    ['https://mcp.example.com:443/crm/mcp', 'https://mcp.example.com/crm/mcp'],
    ['https://mcp.example.com/CRM/mcp', 'https://mcp.example.com/CRM/mcp'],
    ['https://mcp.example.com/', 'https://mcp.example.com'],
    ['https://mcp.example.com/x#f', undefined],
    ['https://u@mcp.example.com/x', undefined],
    ['urn:example:x', undefined],
    ['nonsense', undefined],
  ])('%s is canonically %s', (uri, expected) => {
    expect(canonicalResource(uri)).toBe(expected)
  })
  it('are found with a trailing slash more, and not by prefix', () => {
    const resources = ['https://m.example/crm/mcp', 'https://m.example/wiki/mcp']
    expect(findResource('https://m.example/crm/mcp/', resources)).toBe(resources[0])
    expect(findResource('https://m.example/crm', resources)).toBeUndefined()
    expect(findResource('https://m.example/crm/mcp/x', resources)).toBeUndefined()
  })
})

describe('scopes (RFC 6749 section 3.3)', () => {
  it.each([
    ['a b', ['a', 'b']],
    ['a  a', ['a']],
    ['', []],
    ['a"b', undefined],
    ['a\\b', undefined],
    ['ä', undefined],
  ])('%j reads as %j', (text, expected) => {
    expect(parseScope(text)).toEqual(expected)
  })
  it('compares sets, not texts', () => {
    expect(isSubset(['a'], ['ab'])).toBe(false)
    expect(isSubset(['b', 'a'], ['a', 'b'])).toBe(true)
  })
})
