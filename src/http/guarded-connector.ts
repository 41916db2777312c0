import { Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { isPublicAddress } from './public-address.ts'

export type Address = { address: string; family: 4 | 6 }

/** How names become addresses, and which of them may be connected to. Not for the configuration: nothing but the public Internet is ever right in production. */
export type Network = {
  /** Rejects, or answers nothing, where a name has no address. */
  resolve(hostname: string): Promise<readonly Address[]>
  isAllowed(address: string): boolean
  /** Certificates to trust instead of the usual ones, PEM. */
  ca?: string
}

/**
 * The public Internet.
 *
 * @param resolver asks the name servers itself. The system's would read the local hosts file and try local domains, and it takes one of the process's few threads for as
 * long as a stranger's name server likes to wait
 */
export function createPublicNetwork(
  resolver: Resolver = new Resolver({ timeout: 1500, tries: 2 }),
): Network {
  return {
    isAllowed: isPublicAddress,
    resolve: async hostname => {
      const [ipv4, ipv6] = await Promise.allSettled([
        resolver.resolve4(hostname),
        resolver.resolve6(hostname),
      ])
      if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw ipv4.reason
      return [...withFamily(ipv4, 4), ...withFamily(ipv6, 6)]
    },
  }
}

function withFamily(found: PromiseSettledResult<string[]>, family: 4 | 6): Address[] {
  return found.status === 'fulfilled' ? found.value.map(address => ({ address, family })) : []
}

/** The connection would have gone to an address that may not be connected to. */
export class RefusedAddressError extends Error {
  constructor(hostname: string) {
    super(`${hostname} is at no public address`)
    this.name = 'RefusedAddressError'
  }
}

/**
 * Opens connections to allowed addresses only. What is judged is what the socket then connects to: the name is resolved once for each connection, and the socket gets
 * the judged addresses instead of the name, so a resolver that answers differently the next time gains nothing.
 */
export function createGuardedConnector(
  network: Network,
  timeoutMs: number,
): buildConnector.connector {
  const { isAllowed, ca } = network
  const connect = buildConnector({
    lookup: createGuardedLookup(network),
    timeout: timeoutMs,
    allowH2: false,
    // A resumed session would not show its certificate again.
    maxCachedSessions: 0,
    ...(ca !== undefined && { ca }),
  })
  return function guardedConnect(options, callback) {
    // An address is connected to without being looked up.
    const literal = options.hostname.replace(/^\[|\]$/g, '')
    if (isIP(literal) !== 0 && !isAllowed(literal)) {
      callback(new RefusedAddressError(literal), null)
      return
    }
    connect(options, (...outcome) => {
      const [, socket] = outcome
      if (socket && !isAllowed(socket.remoteAddress ?? '')) {
        socket.destroy()
        callback(new RefusedAddressError(options.hostname), null)
      } else callback(...outcome)
    })
  }
}

function createGuardedLookup({ resolve, isAllowed }: Network): LookupFunction {
  return function guardedLookup(hostname, { all }, callback) {
    const answer = (addresses: readonly Address[]): void => {
      const allowed = addresses.filter(({ address }) => isAllowed(address))
      const [first] = allowed
      if (!first) callback(new RefusedAddressError(hostname), [])
      else if (all) callback(null, allowed)
      else callback(null, first.address, first.family)
    }
    resolve(hostname).then(answer, error => callback(error, []))
  }
}
