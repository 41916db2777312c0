import type { Hono, MiddlewareHandler } from 'hono'
import type { Tracing } from '../observability/trace.ts'
import { correlationIdOf } from './correlation.ts'

/**
 * A span for each request, which everything is for that the request leads to.
 *
 * @param isRoute whether there is an endpoint at a path: others are strangers' inventions, and name no span
 */
export function traceRequests(
  tracing: Tracing,
  isRoute: (path: string) => boolean,
): MiddlewareHandler {
  return async function traced(c, next) {
    const { method, path } = c.req
    const route = isRoute(path) ? path : undefined
    const traceparent = c.req.header('traceparent')
    const caller = traceparent && { traceparent, tracestate: c.req.header('tracestate') }
    const span = tracing.startServer(route ? `${method} ${route}` : method, caller || undefined, {
      attributes: {
        'http.request.method': method,
        'http.route': route,
        'mcp_gateway.correlation_id': correlationIdOf(c),
      },
    })
    await tracing.run(span, next)
    const { status } = c.res
    // A step of a flow has the flow's by now.
    span.set({
      'http.response.status_code': status,
      'mcp_gateway.correlation_id': correlationIdOf(c),
    })
    span.end(status >= 500 ? String(status) : undefined)
  }
}

/** Whether an app has an endpoint at exactly a path. */
export function createRouteCheck(app: Hono): (path: string) => boolean {
  return path => app.routes.some(route => route.path === path)
}
