import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'

/** The addresses of a name, and for how long they are good. */
export type Resolved = { addresses: readonly string[]; ttlSeconds: number }

/**
 * Looks a name up.
 *
 * @throws where nobody can say; a name that does not exist counts as that too
 */
export type ResolveName = (name: string) => Promise<Resolved>

type Resolver = {
  resolve4(name: string, options: { ttl: true }): Promise<readonly AddressRecord[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly AddressRecord[]>
}
type AddressRecord = { address: string; ttl: number }
type LookUp = (name: string, options: { all: true }) => Promise<readonly { address: string }[]>

const SHORTEST_SECONDS = 5
const LONGEST_SECONDS = 60
/** Of what the operating system alone says, which keeps the lives of records to itself. */
const UNKNOWN_SECONDS = 10
const NO_SUCH: ReadonlySet<unknown> = new Set(['ENODATA', 'ENOTFOUND'])

/**
 * The addresses are what the operating system says, as they are for an instance without `dns:`. It knows `/etc/hosts` and the search domains: in a cluster `crm.dev` is a service of the
 * namespace `dev`, while to name servers that are asked for just that it is whoever has registered it in public. How long an answer is good they alone can say; where they know other
 * addresses, or none, that is of no use.
 *
 * @see RFC 1035 section 3.2.1
 */
export function createNameResolver(
  resolver: Resolver = new dns.Resolver({ timeout: 2000, tries: 2 }),
  lookUp: LookUp = dns.lookup,
): ResolveName {
  return async name => {
    const [found, records] = await Promise.all([
      lookUp(name, { all: true }),
      askServers(resolver, name).catch(() => []),
    ])
    const addresses = distinct(found)
    return { addresses, ttlSeconds: lifeOf(records, addresses) }
  }
}

function lifeOf(records: readonly AddressRecord[], addresses: readonly string[]): number {
  const known = new Set(distinct(records))
  const areSame = known.size === addresses.length && addresses.every(one => known.has(one))
  if (!areSame || records.length === 0) return UNKNOWN_SECONDS
  const ttl = Math.min(...records.map(record => record.ttl))
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, ttl))
}

/** @throws where either kind of address is not answered for */
async function askServers(resolver: Resolver, name: string): Promise<readonly AddressRecord[]> {
  const both = await Promise.all([
    resolver.resolve4(name, { ttl: true }).catch(noneIfNoSuch),
    resolver.resolve6(name, { ttl: true }).catch(noneIfNoSuch),
  ])
  return both.flat()
}

function noneIfNoSuch(error: unknown): AddressRecord[] {
  if (error instanceof Error && 'code' in error && NO_SUCH.has(error.code)) return []
  throw error
}

function distinct(found: readonly { address: string }[]): string[] {
  return [...new Set(found.map(({ address }) => address).filter(address => isIP(address) !== 0))]
}
