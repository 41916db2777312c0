import ipaddr from 'ipaddr.js'
import type { ReadHops } from './forwarded.ts'

/** The network that a request comes from: what its caller can change at will is not in it. */
export type FindCaller = (peer: string | undefined, forwardedFor: string | undefined) => string

/**
 * The address of an IPv4 caller; the /64 of an IPv6 one, since whoever has one address there has all of them.
 *
 * @param readHops believes trusted proxies only
 */
export function createCallerFinder(readHops: ReadHops): FindCaller {
  return (peer, forwardedFor) => {
    // What stands first is the caller; behind it are trusted proxies.
    const [address = ''] = readHops(peer, forwardedFor).split(',', 1)
    return networkOf(address)
  }
}

function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  const prefix = parsed.parts.slice(0, 4).map(part => part.toString(16))
  return `${prefix.join(':')}::/64`
}
