import { describe, expect, it } from 'vitest'
import { isListedHost, parseHostPattern } from '../../src/domain/host-pattern.ts'

describe('host patterns', () => {
  it.each(['example.com', '*.example.com', 'localhost', 'xn--bcher-kva.example', 'a-b.c1'])(
    'takes %s',
    text => {
      expect(parseHostPattern(text)).toBe(text)
    },
  )

  it('compares in lower case', () => {
    expect(parseHostPattern('App.Example.COM')).toBe('app.example.com')
  })

  it.each([
    '',
    '*',
    '*.',
    '.example.com',
    'example.com.',
    'example..com',
    '*example.com',
    'a.*.com',
    'https://example.com',
    'example.com:443',
    'example.com/x',
    'user@example.com',
    '-a.com',
    'a_b.com',
    'a b',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(130)}com`,
  ])('refuses %s', text => {
    expect(parseHostPattern(text)).toBeUndefined()
  })

  it.each([
    ['example.com', 'example.com', true],
    ['example.com.', 'example.com', true],
    ['app.example.com', 'example.com', false],
    ['example.com.evil.example', 'example.com', false],
    ['xexample.com', 'example.com', false],
    ['app.example.com', '*.example.com', true],
    ['a.b.example.com', '*.example.com', true],
    ['app.example.com.', '*.example.com', true],
    ['example.com', '*.example.com', false],
    ['xexample.com', '*.example.com', false],
    ['app.example.com.evil.example', '*.example.com', false],
  ])('%s is listed by %s: %s', (host, pattern, expected) => {
    expect(isListedHost(host, [pattern])).toBe(expected)
    expect(isListedHost(host, ['other.example', pattern])).toBe(expected)
    expect(isListedHost(host, [])).toBe(false)
  })
})
