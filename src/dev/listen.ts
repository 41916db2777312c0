import { once } from 'node:events'
import type { Server } from 'node:http'

export type Listening = {
  /** Scheme, host and port, without a slash at the end. */
  origin: string
  port: number
  /** Stops listening and breaks the connections that are open. */
  close(): Promise<void>
}

/**
 * Starts `server`.
 *
 * @param port 0 for any free one
 * @throws the socket's error where it cannot be bound
 */
export async function listen(server: Server, port: number, host: string): Promise<Listening> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP listener')
  const name = address.family === 'IPv6' ? `[${host}]` : host
  return {
    origin: `http://${name}:${address.port}`,
    port: address.port,
    close: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Ends a process of its own in good order: nothing else keeps it running. */
export function closeOnSignal({ close }: { close(): Promise<void> }): void {
  process.once('SIGTERM', close)
  process.once('SIGINT', close)
}
