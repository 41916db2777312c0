import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Changeover = {
  origin: string
  /** Where new connections lead from now on; those that are open are broken. */
  lead(origin: string): void
  close(): Promise<void>
}

/** One address for servers that come and go: raw bytes, both ways, to whichever is meant now. */
export async function startChangeover(): Promise<Changeover> {
  let target = new URL('http://127.0.0.1:1')
  const open = new Set<Socket>()
  const breakAll = () => {
    for (const socket of open) socket.destroy()
  }
  const server = createServer(client => {
    const onward = connect(Number(target.port), target.hostname)
    for (const socket of [client, onward]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        onward.destroy()
      })
    }
    client.pipe(onward).pipe(client)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: origin => {
      target = new URL(origin)
      breakAll()
    },
    close: async () => {
      const closed = once(server.close(), 'close')
      breakAll()
      await closed
    },
  }
}
