import type { IncomingMessage } from 'node:http'
import type { Arrival } from './call.ts'
import { statusOf } from './failures.ts'

/** A page for a person, as a response needs it. */
export type RenderedPage = { html: string; headers: Readonly<Record<string, string>> }

/** Whether somebody has opened the endpoint in a browser. MCP clients accept JSON or event streams, and no pages. */
export function isVisitor({ method, headers: { accept = '' } }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return accept.includes('text/html') && !accept.includes('text/event-stream')
}

/** Shows a page to whoever brought no token: with the status and the challenge that everybody gets, which a browser does not mind. */
export function showPage(arrival: Arrival, { html, headers }: RenderedPage): void {
  const { res, correlationId, challenges, crossOrigin } = arrival
  const fields = [
    ...['content-length', String(Buffer.byteLength(html)), 'x-request-id', correlationId],
    ...['www-authenticate', challenges.unauthenticated, 'vary', 'Accept'],
  ]
  res.writeHead(statusOf('unauthenticated'), [
    ...Object.entries(headers).flat(),
    ...fields,
    ...crossOrigin,
  ])
  res.end(html)
}
