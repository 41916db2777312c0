import { Hono } from 'hono'

/** What readiness depends on. */
export type Readiness = {
  /** `starting` until the store has answered once, `draining` from the first signal on. */
  phase: 'starting' | 'serving' | 'draining'
  /** Whether the store answers now. */
  isStoreReachable: boolean
}

export type OpsOptions = {
  readiness(): Promise<Readiness>
  /** The text for Prometheus. */
  metrics(): Promise<{ contentType: string; text: string }>
  /** Served under `/admin`, where there is one. */
  admin?: Hono
}

/**
 * The listener for operators, on a port of its own.
 *
 * `/livez` says that the process runs; nothing outside the process changes it. `/readyz` says whether requests should come here. A store that does not answer makes it
 * `degraded` and still ready: all replicas share the store, and taking all of them out of service would turn a blip into an outage. `/startupz` says whether it has been
 * ready once; after that it says so for ever.
 */
export function createOpsApp({ readiness, metrics, admin }: OpsOptions): Hono {
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
  let hasStarted = false
  app.get('/startupz', async c => {
    hasStarted ||= (await readiness()).phase !== 'starting'
    return c.json({ status: hasStarted ? 'started' : 'starting' }, hasStarted ? 200 : 503)
  })
  app.get('/metrics', async c => {
    const { contentType, text } = await metrics()
    return c.body(text, 200, { 'content-type': contentType })
  })
  if (admin) app.route('/admin', admin)
  app.notFound(c => c.json({ error: 'not_found' }, 404))
  return app
}
