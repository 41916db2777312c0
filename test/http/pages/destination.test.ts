import { describe, expect, it } from 'vitest'
import { describeDestination } from '../../../src/http/pages/destination.ts'

describe('where an authorization code goes', () => {
  it.each([
    ['https://claude.ai/api/mcp/auth_callback', { kind: 'web', host: 'claude.ai' }],
    ['https://example.com:8443/cb', { kind: 'web', host: 'example.com:8443' }],
    ['https://EXAMPLE.com:443/cb', { kind: 'web', host: 'example.com' }],
    ['https://claude.ai@evil.example/cb', { kind: 'web', host: 'evil.example' }],
    ['https://localhost.evil.example/cb', { kind: 'web', host: 'localhost.evil.example' }],
    ['https://127.0.0.1.evil.example/cb', { kind: 'web', host: '127.0.0.1.evil.example' }],
    ['https://cl\u0430ude.ai/cb', { kind: 'web', host: 'xn--clude-5ve.ai' }],
    ['http://localhost:8787/callback', { kind: 'computer', host: 'localhost:8787' }],
    ['http://127.0.0.1/', { kind: 'computer', host: '127.0.0.1' }],
    ['http://2130706433:9/', { kind: 'computer', host: '127.0.0.1:9' }],
    ['http://[::1]:33418/cb', { kind: 'computer', host: '[::1]:33418' }],
    ['cursor://anysphere.cursor-mcp/oauth/callback', { kind: 'app', scheme: 'cursor' }],
    ['com.example.app:/oauth', { kind: 'app', scheme: 'com.example.app' }],
  ])('%s', (redirectUri, destination) => {
    expect(describeDestination(redirectUri)).toEqual(destination)
  })
})
