import { connect, type Socket } from 'node:net'
import {
  type Exchange,
  type ExchangeFault,
  type ExchangeObserver,
  faultOf,
  type OutboundRequest,
  plainReason,
} from '../exchange.ts'
import { isPlain } from './request-head.ts'
import type { ParsedHead } from './response-head.ts'
import { type HeadRules, ResponseParser, type ResponseSink } from './response-parser.ts'

/** What the connections to one instance share. */
export type ConnectionSurroundings = {
  host: string
  port: number
  connectTimeoutMs: number
  rules: HeadRules
  /** Where every read lands; it is used up before the next one. */
  buffer: Buffer
  renderHead: (request: OutboundRequest) => string | undefined
  /** How long it may be idle after an answer with this `Keep-Alive`. */
  idleTicksAfter: (keepAlive: string | undefined) => number
  /** It may be used again. */
  onIdle(connection: Connection): void
  onClosed(connection: Connection): void
}

/** Up to here a body is joined with the head, since Node writes one short string with less ado than two pieces. */
const JOINED_BYTES = 8192
const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * One connection to an instance, with one request under way at a time. It is used again only if its answer was complete, came after the whole request, was followed by
 * nothing, and both sides mean to go on; after anything else it is closed.
 */
export class Connection implements Exchange, ResponseSink {
  readonly #surroundings: ConnectionSurroundings
  readonly #socket: Socket
  readonly #parser: ResponseParser
  #observer: ExchangeObserver | undefined
  #isSent = false
  #isReusable = false
  #isAwaitingHead = false
  #isClosed = false
  #isPaused = false
  #ticks = 0
  #idleTicks = 0
  /** For how long the head of the answer has been waited for. */
  #headMs = 0
  #headLimitMs = 0

  constructor(surroundings: ConnectionSurroundings, onOpen: (connection: Connection) => void) {
    this.#surroundings = surroundings
    this.#parser = new ResponseParser(surroundings.rules, this)
    const { host, port, buffer, connectTimeoutMs } = surroundings
    const callback = (length: number): boolean => this.#read(length)
    const socket = connect({
      ...{ host, port, noDelay: true, onread: { buffer, callback } },
      // A machine that has vanished says nothing, and a stream may be silent for hours.
      ...{ keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS },
    })
    this.#socket = socket
    const timer = setTimeout(() => this.#fail('broken', timedOut()), connectTimeoutMs)
    socket.once('connect', () => {
      clearTimeout(timer)
      onOpen(this)
    })
    socket.once('end', () => this.#finish())
    socket.on('error', error => this.#fail(faultOf(error), error))
    socket.once('close', () => {
      clearTimeout(timer)
      this.#fail('broken', new Error('the connection was closed'))
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Who is told if it cannot be opened. */
  reserve(observer: ExchangeObserver): void {
    this.#observer = observer
  }

  /** Sends a request. It must be idle. */
  start(request: OutboundRequest, observer: ExchangeObserver): void {
    this.#observer = observer
    this.#isSent = false
    const head = this.#surroundings.renderHead(request)
    if (head === undefined) {
      this.#rest()
      observer.onFailure('malformed', new Error('a field or the path cannot be sent'))
      return
    }
    observer.onStart(this)
    if (this.#observer !== observer) {
      this.#rest()
      return
    }
    this.#isSent = true
    this.#isAwaitingHead = true
    this.#isReusable = isPlain(request)
    this.#headMs = 0
    this.#headLimitMs = request.headersTimeoutMs
    this.#parser.expect(request.method === 'HEAD')
    this.#write(head, request.body)
  }

  abort(): void {
    this.#observer = undefined
    if (this.#isSent) this.close()
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#socket.resume()
  }

  onInformational(): void {
    this.#headMs = 0
  }

  onHead(head: ParsedHead): void {
    this.#isAwaitingHead = false
    const { status, keepsAlive, isChunked, contentLength } = head
    const isBodiless = status === 204 || status === 304
    const isTooEarly = this.#socket.writableLength > 0
    if (!keepsAlive || isTooEarly || (isBodiless && (isChunked || contentLength > 0))) {
      this.#isReusable = false
    }
    this.#idleTicks = this.#surroundings.idleTicksAfter(head.keepAlive)
    this.#observer?.onHead(status, plainReason(head.reason), head.rawFields)
  }

  onData(chunk: Buffer): void {
    this.#observer?.onData(chunk)
  }

  /** Time goes by. @param ms since it was told before */
  tick(ms: number): void {
    if (this.#isAwaitingHead && this.#observer) {
      // The clock runs from the request's last byte.
      this.#headMs = this.#socket.writableLength > 0 ? 0 : this.#headMs + ms
      // Part of a tick may have gone by when the request was sent.
      if (this.#headMs >= this.#headLimitMs + ms) this.#fail('late', timedOut())
      return
    }
    this.#ticks += 1
    const isIdle = !this.#observer && !this.#socket.connecting
    if (isIdle && this.#ticks >= this.#idleTicks) this.close()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#parser.stop()
    this.#socket.destroy()
    this.#surroundings.onClosed(this)
  }

  /** Closes it, whatever is under way. */
  break(): void {
    this.#fail('broken', new Error('the gateway is stopping'))
  }

  #write(head: string, body: Buffer | undefined): void {
    const socket = this.#socket
    if (!body) socket.write(head, 'latin1')
    else if (body.byteLength <= JOINED_BYTES) {
      socket.write(head + body.toString('latin1'), 'latin1')
    } else {
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(body)
      socket.uncork()
    }
  }

  /** @returns whether to go on reading */
  #read(length: number): boolean {
    const verdict = this.#parser.read(this.#surroundings.buffer, length)
    if (this.#isClosed || verdict === 'more') return true
    if (verdict === 'broken') this.#fail('broken', new Error('the answer is no HTTP/1.1'))
    else this.#complete(verdict === 'end' && this.#isReusable && this.#socket.writableLength === 0)
    return true
  }

  #complete(isReusable: boolean): void {
    const observer = this.#observer
    this.#observer = undefined
    if (isReusable && this.#idleTicks > 0) this.#rest()
    else this.close()
    observer?.onEnd()
  }

  #rest(): void {
    this.#observer = undefined
    this.#isSent = false
    this.#ticks = 0
    this.#parser.stop()
    // Whoever had enough of the last piece says no more that there is room again.
    if (this.#isPaused) this.resume()
    if (!this.#isClosed) this.#surroundings.onIdle(this)
  }

  /** The instance has sent its last byte. */
  #finish(): void {
    if (this.#parser.endsAtClose) this.#complete(false)
    else this.#fail('broken', new Error('the instance has closed the connection'))
  }

  #fail(fault: ExchangeFault, cause: Error): void {
    if (this.#isClosed) return
    const observer = this.#observer
    this.#observer = undefined
    this.close()
    observer?.onFailure(fault, cause)
  }
}

function timedOut(): Error {
  return new Error('timed out')
}
