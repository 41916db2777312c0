import type { IncomingMessage } from 'node:http'
import { isListedMethod, OTHER } from '../observability/request-metrics.ts'
import type { Span, TraceContext, Tracing } from '../observability/trace.ts'
import type { Instance } from './balancing/instance.ts'
import type { RequestHead } from './headers.ts'
import { mayNameTrace, readTracedMessage, type TracedMessage } from './trace-context.ts'

/** What of a request its trace is made from. */
export type TracedRequest = {
  req: IncomingMessage
  head: RequestHead
  backend: { path: string; name: string }
  correlationId: string
}

const TOOL_NAME = /^[\w./-]{1,128}$/

/**
 * The spans of one request: one for the request, and one for each time that it goes to an instance. They begin where the request did, but are made when the body is there
 * which may say what they belong to.
 */
export class CallTrace {
  readonly #tracing: Tracing
  readonly #request: TracedRequest
  readonly #startedAt: number
  #message: TracedMessage | undefined
  #span: Span | undefined
  #attempt: Span | undefined
  #attempts = 0

  constructor(tracing: Tracing, request: TracedRequest) {
    this.#tracing = tracing
    this.#request = request
    this.#startedAt = tracing.now()
  }

  get traceId(): string {
    return this.#open().traceId
  }

  /** What is done meanwhile is done for this request. */
  run<T>(body: Buffer | undefined, act: () => T): T {
    return this.#tracing.run(this.#open(body), act)
  }

  /**
   * The request goes to an instance, perhaps once more.
   *
   * @param fields flat; they get the trace of this attempt instead of the caller's
   */
  send({ name, host, port, path }: Instance, body: Buffer | undefined, fields: string[]): void {
    const span = this.#open(body)
    this.#endAttempt('no_answer')
    const { method } = this.#request.req
    this.#attempts += 1
    this.#attempt = this.#tracing.startClient(
      this.#name(),
      {
        attributes: {
          'http.request.method': method,
          'server.address': host,
          'server.port': port,
          // Without its query, where an operator may have put a key.
          'url.full': originOf(name) + path,
          'http.request.resend_count': this.#attempts > 1 ? this.#attempts - 1 : undefined,
        },
      },
      span,
    )
    replaceContext(fields, this.#attempt.context)
  }

  /** The head of an answer has come. */
  answered(status: number): void {
    this.#attempt?.set({ 'http.response.status_code': status })
    if (status >= 400) this.#endAttempt(String(status))
  }

  /** @param error what went wrong, where it was not the client's fault */
  end(status: number | undefined, error: string | undefined): void {
    const span = this.#open()
    this.#endAttempt(error)
    span.rename(this.#name())
    span.set({ 'http.response.status_code': status })
    span.end(error)
  }

  #endAttempt(error: string | undefined): void {
    this.#attempt?.end(error)
    this.#attempt = undefined
  }

  #open(body?: Buffer): Span {
    if (this.#span) return this.#span
    const { head, req, backend, correlationId } = this.#request
    // A body is read only where the fields leave something open that it may say.
    const isTold = head.mcpMethod !== undefined && !mayNameTrace(body)
    this.#message = isTold ? undefined : readTracedMessage(body)
    const caller = this.#message?.context ?? contextIn(req)
    this.#span = this.#tracing.startServer(this.#name(), caller, {
      startedAt: this.#startedAt,
      attributes: {
        'http.request.method': req.method,
        'http.route': backend.path,
        'network.transport': 'tcp',
        'mcp_gateway.backend': backend.name,
        'mcp_gateway.correlation_id': correlationId,
        ...this.#describeMessage(),
      },
    })
    return this.#span
  }

  #describeMessage() {
    const [method, tool] = [this.#method(), this.#tool()]
    const version = this.#request.req.headers['mcp-protocol-version']
    return {
      'mcp.method.name': method,
      'gen_ai.operation.name': method === 'tools/call' ? 'execute_tool' : undefined,
      'gen_ai.tool.name': tool,
      'mcp.protocol.version':
        typeof version === 'string' && /^[\d-]{10}$/.test(version) ? version : undefined,
    }
  }

  #name(): string {
    const [method, tool] = [this.#method(), this.#tool()]
    const { req, backend } = this.#request
    if (method === undefined) return `${req.method} ${backend.path}`
    return tool === undefined ? method : `${method} ${tool}`
  }

  #method(): string | undefined {
    const method = this.#request.head.mcpMethod ?? this.#message?.method
    return method === undefined || isListedMethod(method) ? method : OTHER
  }

  /** A client writes it, so it has to look like one. */
  #tool(): string | undefined {
    if (this.#method() !== 'tools/call') return undefined
    const named = this.#request.req.headers['mcp-name']
    const tool = typeof named === 'string' ? named : this.#message?.tool
    return tool !== undefined && TOOL_NAME.test(tool) ? tool : undefined
  }
}

function contextIn({ headers: { traceparent, tracestate } }: IncomingMessage) {
  if (typeof traceparent !== 'string') return undefined
  return { traceparent, tracestate: [tracestate].flat().join(',') || undefined }
}

/** The name of an instance is its origin, and perhaps the address that is meant. */
function originOf(name: string): string {
  return name.split(' ', 1)[0] ?? name
}

function replaceContext(fields: string[], { traceparent, tracestate }: TraceContext): void {
  for (let index = fields.length - 2; index >= 0; index -= 2) {
    const name = fields[index]?.toLowerCase()
    if (name === 'traceparent' || name === 'tracestate') fields.splice(index, 2)
  }
  fields.push('traceparent', traceparent)
  if (tracestate) fields.push('tracestate', tracestate)
}

type TracedCall = { arrival: { trace?: CallTrace }; body: Buffer | undefined }

/** What is done for a call meanwhile belongs to its trace, if it has one. */
export function runTraced<T>({ arrival, body }: TracedCall, act: () => T): T {
  return arrival.trace ? arrival.trace.run(body, act) : act()
}
