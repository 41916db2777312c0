import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** `isTaken`: its body is read otherwise than as a stream. */
export type ClientRequest = IncomingMessage & { readonly isTaken?: boolean }
type ClientResponse = ServerResponse<ClientRequest>

/** What a body must bring in the time that a client may stall. */
const BODY_BYTES = 1024
/** The system tells that there is room again only when much of what it holds has gone, so a slow reader looks like none for a while. */
const READING_FACTOR = 2

/** One connection of a client, as far as the listener follows it. Looked at by a coarse clock; a request costs it one assignment. */
export class ClientConnection {
  readonly #socket: Socket
  #latest: ClientResponse | undefined
  #isPipelined = false
  /** It was said, or shall be, that the connection ends with the answer that is under way: nothing that comes after it is a request. */
  isEnding = false
  /** The request that begins is the last one. */
  isLast = false
  #read: (Mark & { req: IncomingMessage }) | undefined
  #sent: Mark | undefined
  #rest: Mark | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** The latest request's answer. */
  get latest(): ClientResponse | undefined {
    return this.#latest
  }

  begin(res: ClientResponse): void {
    if (this.#latest && !this.#latest.writableFinished) this.#isPipelined = true
    this.#latest = res
  }

  /** Whether nothing was asked that is not answered. */
  get isIdle(): boolean {
    return this.#latest === undefined ? this.#socket.bytesRead === 0 : this.#latest.writableFinished
  }

  /** Says a last status if the client can only take it for what it is: the answer to the request that it is sending. Ends the connection in any case. */
  refuse(status: string): void {
    const socket = this.#socket
    if (!socket.writable || !this.#mayAnswer()) {
      socket.destroy()
      return
    }
    this.isEnding = true
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  }

  /** Without a word, and without waiting for what is still to be sent. */
  cut(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  /**
   * Whether the client keeps us waiting: for its body, of which there has to be a little in each `stallMs`, or by taking nothing of what is sent to it
   * for twice as long.
   *
   * @param nowMs monotonic
   */
  findStall(nowMs: number, stallMs: number): 'slow_body' | 'slow_reader' | undefined {
    if (this.#isSlowToSend(nowMs, stallMs)) return 'slow_body'
    return this.#isSlowToRead(nowMs, stallMs) ? 'slow_reader' : undefined
  }

  /**
   * Whether nothing has come for `limitMs` since the latest answer. What has never asked is judged by how long its first request takes.
   *
   * @param nowMs monotonic
   */
  isResting(nowMs: number, limitMs: number): boolean {
    if (!this.#latest?.writableFinished) {
      this.#rest = undefined
      return false
    }
    const { bytesRead } = this.#socket
    if (this.#rest?.bytes !== bytesRead) this.#rest = { bytes: bytesRead, sinceMs: nowMs }
    return nowMs - this.#rest.sinceMs >= limitMs
  }

  #isSlowToSend(nowMs: number, stallMs: number): boolean {
    const req = this.#latest?.req
    if (!req || req.complete) {
      this.#read = undefined
      return false
    }
    const { bytesRead } = this.#socket
    const since = this.#read
    // While nobody reads it, the wait is ours.
    const isRead = req.readableFlowing === true || req.isTaken === true
    const isOurs = !isRead || since?.req !== req
    if (isOurs || bytesRead - since.bytes >= BODY_BYTES) {
      this.#read = { req, bytes: bytesRead, sinceMs: nowMs }
      return false
    }
    return nowMs - since.sinceMs >= stallMs
  }

  #isSlowToRead(nowMs: number, stallMs: number): boolean {
    const socket = this.#socket
    if (socket.writableLength === 0) {
      this.#sent = undefined
      return false
    }
    const bytes = socket.bytesWritten - socket.writableLength
    if (this.#sent?.bytes !== bytes) {
      this.#sent = { bytes, sinceMs: nowMs }
      return false
    }
    return nowMs - this.#sent.sinceMs >= stallMs * READING_FACTOR
  }

  #mayAnswer(): boolean {
    const latest = this.#latest
    if (!latest) return true
    if (latest.writableFinished) return latest.req.complete
    return !this.#isPipelined && !latest.headersSent && !latest.req.complete
  }
}

type Mark = { bytes: number; sinceMs: number }
