import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { createOpsApp, type OpsOptions, type Readiness } from '../http/ops.ts'

/** Load balancers may ask in HTTP/1.0, without naming a host. */
const LISTENER = { overrideGlobalObjects: false, hostname: 'localhost' }

/** Where the ops app is to be had. */
export type OpsServer = {
  listen(port: number, host: string): Promise<void>
  close(): Promise<void>
}

/**
 * The ops listener, and what it knows of the gateway's state. A part of the composition in `gateway.ts`.
 *
 * @param serve a listener, unless somebody else asks the app
 */
export function createOps(
  isStoreReachable: () => Promise<boolean>,
  options: Omit<OpsOptions, 'readiness'>,
  serve: (app: Hono) => OpsServer = createOpsServer,
) {
  let phase: Readiness['phase'] = 'starting'
  const readiness = async (): Promise<Readiness> => {
    const isReachable = await isStoreReachable()
    if (phase === 'starting' && isReachable) phase = 'serving'
    return { phase, isStoreReachable: isReachable }
  }
  return {
    ...serve(createOpsApp({ ...options, readiness })),
    draining: () => {
      phase = 'draining'
    },
  }
}

/** The app behind a listener of its own. */
export function createOpsServer(app: Hono): OpsServer {
  const server = createServer(getRequestListener(app.fetch, LISTENER))
  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      }),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
