import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createOpsApp, type OpsOptions, type Readiness } from '../http/ops.ts'

/** Load balancers may ask in HTTP/1.0, without naming a host. */
const LISTENER = { overrideGlobalObjects: false, hostname: 'localhost' }

/** The ops listener, and what it knows of the gateway's state. A part of the composition in `gateway.ts`. */
export function createOps(
  isStoreReachable: () => Promise<boolean>,
  options: Omit<OpsOptions, 'readiness'>,
) {
  let phase: Readiness['phase'] = 'starting'
  const readiness = async (): Promise<Readiness> => {
    const isReachable = await isStoreReachable()
    if (phase === 'starting' && isReachable) phase = 'serving'
    return { phase, isStoreReachable: isReachable }
  }
  const app = createOpsApp({ ...options, readiness })
  const server = createServer(getRequestListener(app.fetch, LISTENER))
  return {
    listen: (port: number, host: string) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      }),
    draining: () => {
      phase = 'draining'
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
