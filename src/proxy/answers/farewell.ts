import type { Call } from '../call.ts'
import { membersOf, readJson } from '../json-text.ts'

/** Long enough for whoever sends requests here to have noticed that they should go elsewhere. */
const RETRY_MS = 1000
const SCALAR_ID = /^["\d-]/

/**
 * What a stream that listens says when it ends because the gateway stops, so that its client takes it for no fault.
 *
 * A `subscriptions/listen` gets the result that it is owed. A GET stream of older versions gets a time to come back after; without an empty line, since some clients would take that
 * for an event.
 *
 * @returns nothing where nothing can be said
 * @see MCP 2026-07-28, subscriptions, "Graceful Closure"; MCP 2025-11-25, transports, "Listening for Messages from the Server"
 */
export function farewellOf({ arrival, body }: Pick<Call, 'arrival' | 'body'>): string {
  if (arrival.req.method === 'GET') return `retry: ${RETRY_MS}\n`
  const id = body && idOf(body.toString())
  if (id === undefined) return ''
  const meta = `{"io.modelcontextprotocol/subscriptionId":${id}}`
  const result = `{"resultType":"complete","_meta":${meta}}`
  return `event: message\ndata: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`
}

/** As it is written. */
function idOf(text: string): string | undefined {
  const message = readJson(text)
  const [id, ...others] = message ? membersOf(text, message).filter(({ key }) => key === 'id') : []
  if (!id || others.length > 0) return undefined
  const written = text.slice(id.start, id.end)
  return SCALAR_ID.test(written) ? written : undefined
}
