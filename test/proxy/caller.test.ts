import { describe, expect, test } from 'vitest'
import { createCallerFinder } from '../../src/proxy/caller.ts'
import { createHopReader } from '../../src/proxy/forwarded.ts'

const find = createCallerFinder(createHopReader(['10.0.0.0/8']))

describe('a caller is counted by what it cannot change at will (known failure 46)', () => {
  test.each([
    ['an IPv4 address', '203.0.113.9', undefined, '203.0.113.9'],
    ['the same, mapped', '::ffff:203.0.113.9', undefined, '203.0.113.9'],
    ['the /64 of an IPv6 address', '2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
    ['the same for any other address in it', '2001:db8:1:2::1', undefined, '2001:db8:1:2::/64'],
    ['not that of its neighbour', '2001:db8:1:3::1', undefined, '2001:db8:1:3::/64'],
    ['what a trusted proxy says', '10.0.0.1', '2001:db8:1:2::1, 10.0.0.2', '2001:db8:1:2::/64'],
    ['not what the caller wrote', '203.0.113.9', '192.0.2.1', '203.0.113.9'],
    ['nor what it wrote to a trusted proxy', '10.0.0.1', '192.0.2.1, 203.0.113.9', '203.0.113.9'],
    ['nobody known', undefined, undefined, 'unknown'],
  ])('%s', (_what, peer, forwardedFor, caller) => {
    expect(find(peer, forwardedFor)).toBe(caller)
  })
})
