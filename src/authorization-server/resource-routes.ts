import { Hono } from 'hono'
import type { AuthorizationServer } from './context.ts'
import { correlate } from './correlation.ts'
import { addCommonRoutes, createRouter } from './routes.ts'
import { createRouteCheck, traceRequests } from './traced-requests.ts'

/** What is left of the endpoints where the authorization server is another one: the page for people, and the keys of the gateway's own assertions. */
export function createResourceServerApp(server: AuthorizationServer): Hono {
  const app = new Hono()
  app.use(correlate())
  if (server.tracing) app.use(traceRequests(server.tracing, createRouteCheck(app)))
  addCommonRoutes(app, createRouter(app, server), server)
  return app
}
