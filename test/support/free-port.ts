import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Below every system's ephemeral ports: one of those may become the near end of anybody's connection before it is bound again. */
const FIRST_PORT = 12_000
/** Test workers that run side by side have ports of their own: what one restarts on its port must not find another's there. */
const PORTS_PER_WORKER = 5_000
const WORKERS = 4
/** One after the other: what was found free may not be bound yet when the next one is looked for. */
let next = Math.floor(Math.random() * PORTS_PER_WORKER)

/** A port of the loopback interface that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const [port] = await findFreePorts(1)
  return port!
}

/** Different ones: all are held before the first is let go. */
export async function findFreePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, holdPort))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return ports
}

async function holdPort(): Promise<Server> {
  const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS
  const first = FIRST_PORT + worker * PORTS_PER_WORKER
  const port = first + (next % PORTS_PER_WORKER)
  next += 1
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return holdPort()
  }
}
