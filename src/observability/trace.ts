/** Traces, as the rest of the gateway knows them: nothing here loads OpenTelemetry, which is there only where somebody has asked for traces. */
import type { Logger } from './log.ts'

/** Never a token, a code, a secret, a cookie, an argument or a query. */
export type SpanAttributes = Readonly<Record<string, string | number | undefined>>

/** What a caller says of the trace that it is in. @see W3C Trace Context */
export type TraceContext = { traceparent: string; tracestate?: string | undefined }

/** Version 00, and later ones as far as they are alike; groups: version, trace, parent, flags. @see W3C Trace Context section 3.2 */
export const TRACEPARENT: RegExp =
  /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/

export type Span = {
  readonly traceId: string
  /** What the next one is told. */
  readonly context: TraceContext
  rename(name: string): void
  set(attributes: SpanAttributes): void
  /** @param error a short word for what went wrong, from a fixed list */
  end(error?: string): void
}

export type SpanOptions = {
  attributes?: SpanAttributes
  /** As `now` said; the present where it is missing. */
  startedAt?: number
}

export type Tracing = {
  /** A request that has come. A context that cannot be read is as none. */
  startServer(name: string, caller: TraceContext | undefined, options?: SpanOptions): Span
  /** A request to somebody else, for `parent`, or for whatever runs. */
  startClient(name: string, options?: SpanOptions, parent?: Span): Span
  /** A step of our own, for whatever runs. */
  startStep(name: string, options?: SpanOptions): Span
  /** What `act` starts, and goes on with later, is for this span. */
  run<T>(span: Span, act: () => T): T
  /** Milliseconds of the epoch. */
  now(): number
  /** The fields of a log line that is written for a span. */
  logFields(): { traceId?: string }
  /** What is wrong with the settings, and later with sending, is told here. */
  tellFaults(logger: Logger): void
  /** Sends what is left, for a few seconds at most. Never rejects. */
  close(): Promise<void>
}

/** Runs a step of its own where there are traces. @param outcomeOf a short word that the span carries */
export async function traceStep<T>(
  tracing: Tracing | undefined,
  name: string,
  attributes: SpanAttributes,
  act: () => Promise<T>,
  outcomeOf: (result: T) => string,
): Promise<T> {
  if (!tracing) return act()
  const span = tracing.startStep(name, { attributes })
  try {
    const result = await tracing.run(span, act)
    span.set({ 'mcp_gateway.outcome': outcomeOf(result) })
    span.end()
    return result
  } catch (error) {
    span.end(error instanceof Error ? error.name : 'unknown')
    throw error
  }
}
