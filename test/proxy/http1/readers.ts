import { type ClientRequest, request } from 'node:http'
import { Duplex } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { plainReason } from '../../../src/proxy/exchange.ts'
import { createHeadParser, createTrailerCheck } from '../../../src/proxy/http1/response-head.ts'
import { ResponseParser } from '../../../src/proxy/http1/response-parser.ts'
import { flattenFields } from '../../../src/proxy/undici-connector.ts'

/** What a client of ours would see of an answer. */
export type Seen = {
  outcome: 'complete' | 'broken'
  status: number
  reason: string | undefined
  /** Flat. */
  fields: string[]
  body: string
  /** Whether the reader would use the connection again; not known of Node. */
  keeps?: boolean
}

export type Method = 'GET' | 'HEAD' | 'POST'
/** The pieces in which an answer arrives; then the instance closes the connection. */
export type Read = (method: Method, pieces: readonly Buffer[]) => Promise<Seen>

const rules = { parseHead: createHeadParser(), checkTrailers: createTrailerCheck() }

/** Our own parser. */
export function readOurs(method: Method, pieces: readonly Buffer[]): Seen {
  const seen = unseen()
  let keepsAlive = true
  const parser = new ResponseParser(rules, {
    onInformational: () => {},
    onHead(head) {
      seen.status = head.status
      seen.reason = plainReason(head.reason)
      seen.fields = head.rawFields
      keepsAlive = head.keepsAlive
    },
    onData(chunk) {
      seen.body += chunk.toString('latin1')
    },
  })
  parser.expect(method === 'HEAD')
  for (const [index, piece] of pieces.entries()) {
    // It writes into what it reads.
    const verdict = parser.read(Buffer.from(piece), piece.length)
    if (verdict === 'more') continue
    if (verdict === 'broken') return seen
    const isClean = verdict === 'end' && index === pieces.length - 1
    return { ...seen, outcome: 'complete', keeps: isClean && keepsAlive }
  }
  return parser.endsAtClose ? { ...seen, outcome: 'complete', keeps: false } : seen
}

/** A connection that swallows the request and delivers what the test says, once it was asked. */
class Scripted extends Duplex {
  readonly #pieces: readonly Buffer[]
  #isAsked = false

  constructor(pieces: readonly Buffer[]) {
    super()
    this.#pieces = pieces
    this.on('error', () => {})
  }

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
    if (this.#isAsked) return
    this.#isAsked = true
    setImmediate(() => this.#deliver(0))
  }

  /** One piece for each turn of the loop, as from a real connection. */
  #deliver(index: number): void {
    if (this.destroyed) return
    const piece = this.#pieces[index]
    this.push(piece ? Buffer.from(piece) : null)
    if (piece) setImmediate(() => this.#deliver(index + 1))
  }
}

export const readUndici: Read = async (method, pieces) => {
  const socket = new Scripted(pieces)
  const client = new Client('http://instance.example', {
    connect: (_options, callback) => queueMicrotask(() => callback(null, socket as never)),
  })
  const seen = unseen()
  await new Promise<void>(resolve => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart(controller, status, _parsed, reason) {
        if (status < 200) return
        seen.status = status
        seen.reason = plainReason(reason)
        seen.fields = flattenFields(controller.rawHeaders)
      },
      onResponseData(_controller, chunk) {
        seen.body += chunk.toString('latin1')
      },
      onResponseEnd() {
        seen.outcome = 'complete'
        resolve()
      },
      onResponseError: () => resolve(),
    }
    client.dispatch({ path: '/', method, body: method === 'POST' ? '{}' : null }, handler)
  })
  await client.destroy()
  return seen
}

export const readNode: Read = (method, pieces) => {
  const seen = unseen()
  return new Promise(resolve => {
    const req: ClientRequest = request({
      ...{ method, path: '/', headers: ['host', 'instance.example'] },
      createConnection: () => new Scripted(pieces),
    })
    req.on('response', res => {
      seen.status = res.statusCode ?? 0
      seen.reason = plainReason(res.statusMessage)
      seen.fields = res.rawHeaders
      res.on('data', chunk => {
        seen.body += chunk.toString('latin1')
      })
      res.on('error', () => {})
      res.on('close', () => {
        if (res.complete) seen.outcome = 'complete'
        resolve(seen)
      })
    })
    req.on('error', () => resolve(seen))
    req.on('upgrade', () => resolve(seen))
    req.end(method === 'POST' ? '{}' : undefined)
  })
}

function unseen(): Seen {
  return { outcome: 'broken', status: 0, reason: undefined, fields: [], body: '' }
}
