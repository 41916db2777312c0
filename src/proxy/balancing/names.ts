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
/** Of what the operating system says, which keeps the lives of records to itself. */
const UNKNOWN_SECONDS = 10
const NO_SUCH: ReadonlySet<unknown> = new Set(['ENODATA', 'ENOTFOUND'])

/**
 * Asks the name servers, which say how long an answer is good for. Where they know no such name, or do not answer for one kind of address, the operating system is asked: it knows `/etc/hosts`
 * and the search domains of short names.
 *
 * @see RFC 1035 section 3.2.1
 */
export function createNameResolver(
  resolver: Resolver = new dns.Resolver({ timeout: 2000, tries: 2 }),
  lookUp: LookUp = dns.lookup,
): ResolveName {
  return async name => {
    const records = await askServers(resolver, name).catch(() => [])
    if (records.length === 0) {
      const found = await lookUp(name, { all: true })
      return { addresses: distinct(found), ttlSeconds: UNKNOWN_SECONDS }
    }
    const ttl = Math.min(...records.map(record => record.ttl))
    return {
      addresses: distinct(records),
      ttlSeconds: Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, ttl)),
    }
  }
}

/** @throws where either kind of address is not answered for: half an answer would take away the other half */
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
