import { TRACEPARENT, type TraceContext } from '../observability/trace.ts'
import { isArray, type Member, membersOf, readJson, type Span, stringAt } from './json-text.ts'

/** What a message says for its trace. Nothing is decided by it, so the first member of a name counts. */
export type TracedMessage = {
  method: string | undefined
  tool: string | undefined
  /** One that can be read, or none. */
  context: TraceContext | undefined
}

const NOTHING: TracedMessage = { method: undefined, tool: undefined, context: undefined }
/** Reading more only to name a span is not worth it. */
const MAX_BODY_BYTES = 65_536

/** Whether a message may name its trace. Tells without reading it, so a name that is written with escapes is not seen. */
export function mayNameTrace(body: Buffer | undefined): boolean {
  return body !== undefined && body.length <= MAX_BODY_BYTES && body.includes('"traceparent"')
}

/** Reads the one message of a body; of several, of none, or of a long one there is nothing to say. @see MCP SEP-414 */
export function readTracedMessage(body: Buffer | undefined): TracedMessage {
  if (!body || body.length > MAX_BODY_BYTES) return NOTHING
  const text = body.toString('utf8')
  const root = readJson(text)
  if (!root || isArray(text, root)) return NOTHING
  const members = membersOf(text, root)
  const params = find(members, 'params')
  const inParams = params ? membersOf(text, params) : []
  const meta = find(inParams, '_meta')
  const inMeta = meta ? membersOf(text, meta) : []
  const method = stringIn(text, members, 'method')
  const traceparent = stringIn(text, inMeta, 'traceparent')
  return {
    method,
    tool: method === 'tools/call' ? stringIn(text, inParams, 'name') : undefined,
    context:
      traceparent !== undefined && TRACEPARENT.test(traceparent)
        ? { traceparent, tracestate: stringIn(text, inMeta, 'tracestate') }
        : undefined,
  }
}

function stringIn(text: string, members: readonly Member[], key: string): string | undefined {
  const span: Span | undefined = find(members, key)
  return span && stringAt(text, span)
}

function find(members: readonly Member[], key: string): Member | undefined {
  return members.find(member => member.key === key)
}
