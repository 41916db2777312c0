import { connect } from 'node:net'
import type { HostPort } from '../../store/redis/clients.ts'
import type { RedisConnectionOptions } from '../../store/redis/connection.ts'

const PATIENCE_MS = 1_000
const DEFAULT_PORT = 6379

/**
 * Which of the servers that are to speak TLS speak Redis in the clear, as `host:port`. Such a one takes the beginning of TLS for a command whose end it waits for, so
 * a connection to it says nothing but that time has run out.
 */
export async function findWithoutTls(options: RedisConnectionOptions): Promise<string[]> {
  const servers = serversWithTls(options)
  const areOpen = await Promise.all(servers.map(answersInTheClear))
  return servers
    .filter((_, index) => areOpen[index])
    .map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
}

function serversWithTls({ servers, access }: RedisConnectionOptions): readonly HostPort[] {
  if ('url' in servers) {
    const { protocol, hostname, port } = new URL(servers.url)
    if (protocol !== 'rediss:') return []
    return [{ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || DEFAULT_PORT) }]
  }
  if (!access?.tls) return []
  return 'cluster' in servers ? servers.cluster : servers.sentinels
}

/** Asks for no more than whether anybody is there, and says nothing that a listener should not hear. */
function answersInTheClear({ host, port }: HostPort): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: PATIENCE_MS })
    const end = (isRedis: boolean): void => {
      socket.destroy()
      resolve(isRedis)
    }
    socket.on('connect', () => socket.write('PING\r\n'))
    // A reply of Redis: `+PONG`, or an error such as `-NOAUTH`.
    socket.on('data', reply => end(/^[+-]/.test(reply.toString('latin1'))))
    for (const event of ['timeout', 'error', 'close'] as const) socket.on(event, () => end(false))
  })
}
