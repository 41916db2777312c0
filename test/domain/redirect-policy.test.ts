import { describe, expect, it } from 'vitest'
import { isTrustedDestination } from '../../src/domain/redirect-policy.ts'

const HOSTS = ['claude.ai', '*.example.com']

describe('where a browser may be sent though nobody has been asked (RFC 9700 section 4.11.2)', () => {
  it.each([
    ['registered', 'http://127.0.0.1:1/cb', true],
    ['registered', 'http://localhost/cb', true],
    ['registered', 'http://[::1]:1/cb', true],
    ['document', 'http://localhost:1/cb', true],
    ['registered', 'https://claude.ai/cb', true],
    ['registered', 'https://claude.ai:8443/cb', true],
    ['document', 'https://a.b.example.com/cb', true],
    ['registered', 'https://evil.example/cb', false],
    ['document', 'https://evil.example/cb', false],
    ['registered', 'https://claude.ai.evil.example/cb', false],
    ['registered', 'https://xclaude.ai/cb', false],
    ['registered', 'https://127.0.0.1.evil.example/cb', false],
    ['registered', 'cursor://anysphere.cursor-mcp/cb', false],
    ['document', 'com.example.app:/cb', false],
    // An app's scheme with a host of the list is not that host.
    ['registered', 'evil://claude.ai/cb', false],
    ['preregistered', 'https://evil.example/cb', true],
    ['preregistered', 'com.example.app:/cb', true],
  ] as const)('a client that is %s, to %s: %s', (origin, uri, expected) => {
    expect(isTrustedDestination({ origin }, uri, HOSTS)).toBe(expected)
  })

  it('is no web host of a stranger where none is named', () => {
    expect(isTrustedDestination({ origin: 'registered' }, 'https://claude.ai/cb', [])).toBe(false)
  })
})
