import { Hono } from 'hono'

/** What readiness depends on. */
export type Readiness = {
  /** `starting` until the store has answered once, `draining` from the first signal on. */
  phase: 'starting' | 'serving' | 'draining'
  /** Whether the store answers now. */
  isStoreReachable: boolean
}

/**
 * The listener for operators, on a port of its own.
 *
 * `/livez` says that the process runs; nothing outside the process changes it. `/readyz` says whether requests should come here. A store that does not answer makes it
 * `degraded` and still ready: all replicas share the store, and taking all of them out of service would turn a blip into an outage.
 */
export function createOpsApp(readiness: () => Promise<Readiness>): Hono {
  const app = new Hono()
  app.get('/livez', c => c.json({ status: 'alive' }))
  app.get('/readyz', async c => {
    const { phase, isStoreReachable } = await readiness()
    const status = phase === 'serving' && !isStoreReachable ? 'degraded' : phase
    return c.json(
      { status, store: isStoreReachable ? 'reachable' : 'unreachable' },
      phase === 'serving' ? 200 : 503,
    )
  })
  app.notFound(c => c.json({ error: 'not_found' }, 404))
  return app
}
