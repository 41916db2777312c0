import type { Tracing } from '../observability/trace.ts'

/** Requests to the identity provider, each with a span. What it is told of the trace is nothing: it is somebody else's. */
export function traceFetch(send: typeof fetch, tracing: Tracing): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
    const span = tracing.startClient(method, {
      attributes: {
        'http.request.method': method,
        'server.address': url.hostname,
        'server.port': Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
        // Without its query, where codes and tokens may be.
        'url.full': url.origin + url.pathname,
      },
    })
    try {
      const response = await send(input, init)
      span.set({ 'http.response.status_code': response.status })
      span.end(response.status >= 400 ? String(response.status) : undefined)
      return response
    } catch (error) {
      span.end(error instanceof Error ? error.name : 'unknown')
      throw error
    }
  }
}
