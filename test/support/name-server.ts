import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import ipaddr from 'ipaddr.js'

export type NameServer = {
  /** Asks this server and no other. */
  resolver: Resolver
  /** What an operating system says that asks this server and knows nothing else. */
  lookUp(name: string): Promise<{ address: string }[]>
  /** How often each name was asked for, IPv4 and IPv6 apart. */
  questions: string[]
  close(): Promise<void>
}

const TYPES = { A: 1, AAAA: 28 }

/**
 * A real name server on loopback.
 *
 * @param answer the addresses of a name; `undefined` where there is no such name. Asked anew for each question
 */
export async function startNameServer(
  answer: (name: string, type: 'A' | 'AAAA') => readonly string[] | undefined,
): Promise<NameServer> {
  const socket = createSocket('udp4')
  const questions: string[] = []
  socket.on('message', (query, peer) => {
    const { name, end } = readName(query)
    const type = query.readUInt16BE(end) === TYPES.AAAA ? 'AAAA' : 'A'
    questions.push(`${name} ${type}`)
    socket.send(respond(query, end, type, answer(name, type)), peer.port, peer.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  return {
    resolver,
    lookUp: async name => {
      const kinds = [resolver.resolve4(name), resolver.resolve6(name)]
      const answers = await Promise.allSettled(kinds)
      const addresses = answers.flatMap(one => (one.status === 'fulfilled' ? one.value : []))
      if (addresses.length === 0) throw new Error(`nobody knows ${name}`)
      return addresses.map(address => ({ address }))
    },
    questions,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
}

/** Lower case: resolvers mix the case of what they ask. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase())
    at += 1 + length
  }
  return { name: labels.join('.'), end: at + 1 }
}

/** @see RFC 1035 section 4 */
function respond(
  query: Buffer,
  end: number,
  type: keyof typeof TYPES,
  addresses: readonly string[] | undefined,
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(query.readUInt16BE(0), 0)
  header.writeUInt16BE(addresses ? 0x8180 : 0x8183, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses?.length ?? 0, 6)
  const records = (addresses ?? []).map(address => {
    const data = Buffer.from(ipaddr.parse(address).toByteArray())
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(TYPES[type], 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(0, 6)
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([header, query.subarray(12, end + 4), ...records])
}
