import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Malformed } from '../../src/config/malformed.ts'
import {
  parseInstanceUrl,
  parseIssuer,
  parseOrigin,
  parseRedisUrl,
  parseSecureOrigin,
  redactPassword,
} from '../../src/config/urls.ts'

describe('publicUrl', () => {
  it.each([
    ['https://mcp.example.com', 'https://mcp.example.com'],
    ['https://mcp.example.com/', 'https://mcp.example.com'],
    ['HTTPS://MCP.Example.COM:443/', 'https://mcp.example.com'],
    ['https://mcp.example.com:8443', 'https://mcp.example.com:8443'],
    ['http://localhost:80', 'http://localhost'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.8.9.10', 'http://127.8.9.10'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
  ])('reads %s as %s', (text, origin) => {
    expect(parseSecureOrigin(text)).toBe(origin)
  })

  it.each([
    'https://mcp.example.com/path',
    'https://mcp.example.com//',
    'https://mcp.example.com/.',
    'https://mcp.example.com?',
    'https://mcp.example.com/#',
    'https://user@mcp.example.com',
    'https://@mcp.example.com',
    'https://mcp.example.com:99999',
    'https:mcp.example.com',
    'https:\\\\mcp.example.com',
    'https://mcp.example.com\t',
    'https://mcp exa.mple.com',
    ' https://mcp.example.com',
    'mcp.example.com',
    'ftp://mcp.example.com',
    'https://',
    '',
  ])('refuses %j, which is no origin', text => {
    expect(() => parseSecureOrigin(text)).toThrow('expected an origin')
  })

  it.each([
    'http://mcp.example.com',
    'http://10.0.0.1',
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://.localhost',
    'http://127.0.0.1.example.com',
    'http://0.0.0.0:8080',
    'http://[::2]',
  ])('refuses plain http for %s, which is not loopback', text => {
    expect(() => parseSecureOrigin(text)).toThrow('must be https')
  })

  it('is what it is read as', () => {
    fc.assert(
      fc.property(fc.webUrl({ validSchemes: ['https'] }), url => {
        const { origin } = new URL(url)
        expect(parseOrigin(origin)).toBe(origin)
      }),
    )
  })
})

describe('an issuer', () => {
  it.each([
    'https://login.example.com',
    'https://login.example.com/',
    'https://Login.example.com/a/v2.0',
    'http://127.0.0.1:9091',
    'http://idp.localhost:9000',
  ])('%s stays as it is written', text => {
    expect(parseIssuer(text)).toBe(text)
  })

  it.each([
    'http://login.example.com',
    'https://login.example.com/?',
    'https://login.example.com/.well-known/openid-configuration',
    'https://a:b@login.example.com',
    'https://login.example.com/a b',
    'login',
  ])('refuses %s', text => {
    expect(() => parseIssuer(text)).toThrow(Malformed)
  })
})

describe('an instance', () => {
  it.each(['http://crm-1:8080/mcp', 'https://crm.internal/', 'http://[fd00::1]:8080/mcp'])(
    'takes %s',
    text => {
      expect(parseInstanceUrl(text)).toBe(text)
    },
  )

  it.each([
    'http://u:p@crm-1/mcp',
    'http://crm-1/mcp?a=b',
    'http://crm-1/mcp#a',
    'ws://crm-1/mcp',
    'crm-1:8080',
  ])('refuses %s', text => {
    expect(() => parseInstanceUrl(text)).toThrow(Malformed)
  })
})

describe('a Redis URL', () => {
  it.each([
    'redis://redis',
    'redis://redis:6379/0',
    'rediss://user:p%40ss@redis:6380',
    'redis://:pw@[::1]:6379/',
  ])('takes %s', text => {
    expect(parseRedisUrl(text)).toBe(text)
  })

  it.each([
    'http://redis',
    'redis://',
    'redis://redis/a',
    'redis://redis?family=6',
    'redis://:%zz@redis',
    'redis',
  ])('refuses %s', text => {
    expect(() => parseRedisUrl(text)).toThrow(Malformed)
  })

  it.each([
    ['redis://user:secret@redis:6379/1', 'redis://user:***@redis:6379/1'],
    ['rediss://:secret@redis', 'rediss://:***@redis'],
    ['redis://:se@cr:et@redis', 'redis://:***@redis'],
    ['redis://redis:6379/0', 'redis://redis:6379/0'],
  ])('shows %s as %s', (url, shown) => {
    expect(redactPassword(url, '***')).toBe(shown)
  })
})
