import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createHopReader } from '../../src/proxy/forwarded.ts'

const read = createHopReader(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])

describe('X-Forwarded-For is believed only as far as trusted proxies have written it', () => {
  test.each([
    ['an untrusted peer speaks for itself', '203.0.113.9', '10.0.0.1', '203.0.113.9'],
    ['a trusted peer names its caller', '10.0.0.1', '203.0.113.9', '203.0.113.9, 10.0.0.1'],
    [
      'what an untrusted caller wrote is dropped',
      '10.0.0.1',
      '127.0.0.1, 203.0.113.9',
      '203.0.113.9, 10.0.0.1',
    ],
    [
      'several trusted hops are kept',
      '10.0.0.1',
      'x, 203.0.113.9, 192.0.2.7',
      '203.0.113.9, 192.0.2.7, 10.0.0.1',
    ],
    ['a word that is no address ends it', '10.0.0.1', '203.0.113.9, unknown', '10.0.0.1'],
    ['a mapped peer is an IPv4 peer', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9, 10.0.0.1'],
    ['ports are not part of an address', '10.0.0.1', '203.0.113.9:1234', '203.0.113.9, 10.0.0.1'],
    ['brackets neither', 'fd00::1', '[2001:db8::1]:99', '2001:db8::1, fd00::1'],
    ['no peer, nobody', undefined, '203.0.113.9', 'unknown'],
  ])('%s', (_rule, peer, forwardedFor, chain) => {
    expect(read(peer, forwardedFor)).toBe(chain)
  })

  test('no text makes it throw or lets a line break through', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        expect(read('10.0.0.1', text)).toMatch(/^[0-9a-f.:, ]+$/)
      }),
    )
  })

  test('refuses a trusted proxy that is no address', () => {
    expect(() => createHopReader(['load-balancer'])).toThrow()
  })
})
