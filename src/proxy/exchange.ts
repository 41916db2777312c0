/** One request as it goes to an instance. */
export type OutboundRequest = {
  method: string
  /** Path and query. */
  path: string
  /** Flat; neither `Host` nor what frames the message. */
  fields: readonly string[]
  body: Buffer | undefined
  /** From the request's last byte to the answer's head; coarse. Afterwards an answer may take for ever. */
  headersTimeoutMs: number
}

/** A request that is under way on a connection of its own. */
export type Exchange = {
  /** Ends it and its connection. What its observer may hear of it still, it ignores. */
  abort(): void
  /** Asks for no more of the body for now; what was read already may still come. */
  pause(): void
  resume(): void
}

/**
 * Why an exchange failed.
 *
 * - `malformed`: our own request; nothing was sent.
 * - `starved`: no connection, since this process or machine has no file descriptor left; nothing was sent.
 * - `late`: no head in time.
 * - `broken`: everything else.
 */
export type ExchangeFault = 'malformed' | 'starved' | 'late' | 'broken'

const STARVED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE'])

/** What a socket's error comes to. */
export function faultOf(error: Error): ExchangeFault {
  return 'code' in error && STARVED.has(error.code) ? 'starved' : 'broken'
}

/** Whether the instance has nothing to do with it. */
export function isOurs(fault: ExchangeFault): boolean {
  return fault === 'malformed' || fault === 'starved'
}

/** Who is told how an exchange goes: start, head, data, end, in this order, or a failure at any time. */
export type ExchangeObserver = {
  /** Right before the request's first byte. */
  onStart(exchange: Exchange): void
  /** Informational answers are left out. `rawFields` is flat, as received. */
  onHead(status: number, statusText: string | undefined, rawFields: readonly string[]): void
  /** The bytes are good only during the call. */
  onData(chunk: Buffer): void
  /** The answer was complete. */
  onEnd(): void
  onFailure(fault: ExchangeFault, cause: Error): void
}

/** The connections to one instance. */
export type Connector = {
  /** Never throws. One request is under way on a connection at a time, and none is ever sent twice. */
  dispatch(request: OutboundRequest, observer: ExchangeObserver): void
  /** Nothing more is going to be dispatched: each connection closes when its answer is complete. Resolves when none is left. */
  retire(): Promise<void>
  /** Breaks whatever is under way. */
  close(): Promise<void>
}

export type ConnectorOptions = {
  connectTimeoutMs: number
  /** How many exchanges can be under way. */
  connections: number
  /** Where to connect to, in place of the addresses of the URL's host; the host is still the one that is named. */
  address?: string | undefined
}

/** Below the five seconds after which Node, and many others, close an idle connection. */
export const IDLE_CONNECTION_MS = 4000

/** A reason phrase is for people; one that is not plain ASCII is left out. RFC 9112 section 4. */
export function plainReason(phrase: string | undefined): string | undefined {
  return phrase !== undefined && /^[\x20-\x7e]+$/.test(phrase) ? phrase : undefined
}
