import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import { type WatchCache, watchNothing } from '../observability/caches.ts'

type Hop = { address: string; isTrusted: boolean }

/** From the connection's peer and the request's `X-Forwarded-For` to the list that a backend may believe. */
export type ReadHops = (peer: string | undefined, forwardedFor: string | undefined) => string

const REMEMBERED_HOPS = 4096
const NOBODY: Hop = { address: 'unknown', isTrusted: false }

/**
 * Believes the list only as far as trusted proxies have written it: from the right, up to and including the first address that is no trusted proxy. That one is the
 * caller; what stands left of it is the caller's own invention.
 *
 * @param trustedProxies addresses and CIDR blocks; none is trusted by default
 * @throws where one of them is neither
 */
export function createHopReader(
  trustedProxies: readonly string[],
  watchCache: WatchCache = watchNothing,
): ReadHops {
  const blocks = trustedProxies.map(parseBlock)
  const known = new LRUCache<string, Hop>({ max: REMEMBERED_HOPS })
  watchCache('addresses', () => known.size)

  const find = (text: string): Hop | undefined => {
    const remembered = known.get(text)
    if (remembered) return remembered
    const address = parseAddress(text)
    if (!address) return undefined
    const isTrusted = blocks.some(block => isInside(address, block))
    const hop = { address: address.toString(), isTrusted }
    known.set(text, hop)
    return hop
  }

  return (peer, forwardedFor) => {
    let hop = (peer === undefined ? undefined : find(peer)) ?? NOBODY
    if (forwardedFor === undefined || !hop.isTrusted) return hop.address
    let chain = hop.address
    for (const text of forwardedFor.split(',').reverse()) {
      const next = find(text.trim())
      if (!next || !hop.isTrusted) break
      chain = `${next.address}, ${chain}`
      hop = next
    }
    return chain
  }
}

type Block = [ipaddr.IPv4 | ipaddr.IPv6, number]

function parseBlock(text: string): Block {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

function isInside(address: ipaddr.IPv4 | ipaddr.IPv6, block: Block): boolean {
  return address.kind() === block[0].kind() && address.match(block)
}

/** Some proxies write `address:port`, and IPv6 in brackets. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1')
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined
}
