import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isClientIdUrl } from '../../src/domain/client-id-url.ts'

describe('client identifier URLs (draft-ietf-oauth-client-id-metadata-document section 3)', () => {
  it.each([
    'https://app.example.com/client.json',
    'https://app.example.com:8443/client.json',
    'https://app.example.com/oauth/client/',
    'https://app.example.com/client?v=1',
    'https://app.example.com/a..b/.well-known/...',
    'https://app.example.com/%C3%A9',
    `https://app.example.com/${'x'.repeat(2024)}`,
  ])('may be %s', url => {
    expect(isClientIdUrl(url)).toBe(true)
  })

  it.each([
    ['plain http', 'http://app.example.com/client.json'],
    ['another scheme', 'ftp://app.example.com/client.json'],
    ['no path', 'https://app.example.com'],
    ['the root', 'https://app.example.com/'],
    ['the root and a query', 'https://app.example.com/?x'],
    ['a fragment', 'https://app.example.com/client.json#x'],
    ['an empty fragment', 'https://app.example.com/client.json#'],
    ['a user', 'https://u@app.example.com/client.json'],
    ['a password', 'https://u:p@app.example.com/client.json'],
    ['an empty user', 'https://@app.example.com/client.json'],
    ['a dot segment', 'https://app.example.com/./client.json'],
    ['two dots', 'https://app.example.com/x/../client.json'],
    ['dots at the end', 'https://app.example.com/x/..'],
    ['encoded dots', 'https://app.example.com/x/%2e%2E/client.json'],
    ['half encoded dots', 'https://app.example.com/x/.%2e/client.json'],
    ['a backslash', 'https://app.example.com\\client.json'],
    ['a space', 'https://app.example.com/a b'],
    ['a space before', ' https://app.example.com/a'],
    ['a line end', 'https://app.example.com/a\n'],
    ['capital letters in the host', 'https://App.example.com/a'],
    ['the default port', 'https://app.example.com:443/a'],
    ['a number for a host', 'https://2130706433/a'],
    ['no host', 'https:///a'],
    ['one slash', 'https:/app.example.com/a'],
    ['2,049 characters', `https://app.example.com/${'x'.repeat(2025)}`],
    ['an id of ours', 'c_abc.def.ghi'],
    ['nothing', ''],
  ])('never with %s', (_, url) => {
    expect(isClientIdUrl(url)).toBe(false)
  })

  it('mean one thing: parsed and written again they are the same', () => {
    const almost = fc
      .tuple(fc.webUrl({ withQueryParameters: true, withFragments: true }), fc.string())
      .map(parts => parts.join(''))
    fc.assert(fc.property(almost, url => !isClientIdUrl(url) || new URL(url).href === url))
  })
})
