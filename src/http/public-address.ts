import ipaddr from 'ipaddr.js'

/** The only IPv6 space that is routed in public. Outside of it are, among others, `::a.b.c.d`, which some systems take for the IPv4 address, and NAT64. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

/** Public by its number, but a service of the cloud's host to the machines on it. */
const HOST_SERVICES = new Set(['168.63.129.16'])

/**
 * Whether an address belongs to the public Internet, and to a single host there. Refused is everything else: loopback, private, link-local, shared (CGNAT), unique local,
 * multicast, unspecified and reserved addresses, and every IPv6 form that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo), since what is reached
 * through it is decided elsewhere.
 *
 * @param address without brackets; a text that is no address is not public
 * @see RFC 6890, RFC 6052, RFC 8215
 */
export function isPublicAddress(address: string): boolean {
  // A zone names an interface of this computer.
  if (address.includes('%') || HOST_SERVICES.has(address)) return false
  // As the resolver writes IPv4: `127.1` and `0x7f000001` are not for us to interpret.
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) {
    return ipaddr.IPv4.parse(address).range() === 'unicast'
  }
  if (!ipaddr.IPv6.isValid(address)) return false
  const parsed = ipaddr.IPv6.parse(address)
  return parsed.range() === 'unicast' && parsed.match(GLOBAL_UNICAST)
}
