import type { IncomingHttpHeaders } from 'node:http'
import { isIP, type LookupFunction } from 'node:net'
import { type Dispatcher, Pool } from 'undici'
import {
  type Connector,
  type ConnectorOptions,
  type ExchangeFault,
  type ExchangeObserver,
  faultOf,
  IDLE_CONNECTION_MS,
  plainReason,
} from './exchange.ts'

const ABORTED = new Error('nobody waits for this answer any more')
const FAULTS: Readonly<Record<string, ExchangeFault>> = {
  UND_ERR_INVALID_ARG: 'malformed',
  UND_ERR_NOT_SUPPORTED: 'malformed',
  UND_ERR_HEADERS_TIMEOUT: 'late',
}

/** Connections of undici: for TLS. */
export function createUndiciConnector(origin: string, options: ConnectorOptions): Connector {
  const pool = new Pool(origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    connectTimeout: options.connectTimeoutMs,
    bodyTimeout: 0,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    ...(options.address !== undefined && { connect: { lookup: lookupOf(options.address) } }),
  })
  return {
    dispatch({ method, path, fields, body, headersTimeoutMs: headersTimeout }, observer) {
      const headers = fields as string[]
      const request = { method, path, headers, body: body ?? null, headersTimeout }
      pool.dispatch(request, new Handler(observer))
    },
    retire: () => pool.close(),
    close: () => pool.destroy(),
  }
}

/** Answers with one address whatever the name; the name is still what the certificate is compared with. */
function lookupOf(address: string): LookupFunction {
  const family = isIP(address)
  return (_hostname, { all }, callback) => {
    if (all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

class Handler implements Dispatcher.DispatchHandler {
  readonly #observer: ExchangeObserver

  constructor(observer: ExchangeObserver) {
    this.#observer = observer
  }

  /** undici calls this right before the request's first byte. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#observer.onStart({
      abort: () => controller.abort(ABORTED),
      pause: () => controller.pause(),
      resume: () => controller.resume(),
    })
  }

  onResponseStart(
    { rawHeaders }: Dispatcher.DispatchController,
    status: number,
    _parsed: IncomingHttpHeaders,
    statusText?: string,
  ): void {
    if (status < 200) return
    this.#observer.onHead(status, plainReason(statusText), flattenFields(rawHeaders))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#observer.onData(chunk)
  }

  onResponseEnd(): void {
    this.#observer.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
    this.#observer.onFailure(FAULTS[code] ?? faultOf(error), error)
  }
}

/** undici leaves the optional white space behind a value, which is no part of it. RFC 9112 section 5.1. */
export function flattenFields(rawHeaders: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(rawHeaders)) return []
  return rawHeaders.map(field => {
    const text = typeof field === 'string' ? field : field.toString('latin1')
    return text.replace(/[ \t]+$/, '')
  })
}
