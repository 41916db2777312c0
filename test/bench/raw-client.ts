import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Contender } from './contenders.ts'

/** A bare connection to a contender: nothing between the measurement and the socket. */
export async function connectTo({ url }: Contender): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** A call as bytes. */
export function renderCall({ url, headers }: Contender, body: string): string {
  const { pathname, host } = new URL(url)
  const fields = Object.entries({
    ...headers,
    host,
    'content-type': 'application/json',
    'content-length': `${body.length}`,
  })
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `POST ${pathname} HTTP/1.1\r\n${head}\r\n${body}`
}

/** A call on a connection of its own, of which the bytes are read as they come. */
export async function openCall(contender: Contender): Promise<Socket> {
  const socket = await connectTo(contender)
  socket.write(renderCall(contender, '{}'))
  return socket
}
