import type { IncomingHttpHeaders } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import {
  type Connector,
  type ConnectorOptions,
  type ExchangeFault,
  type ExchangeObserver,
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
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: 0,
    keepAliveTimeout: IDLE_CONNECTION_MS,
  })
  return {
    dispatch({ method, path, fields, body }, observer) {
      const headers = fields as string[]
      pool.dispatch({ method, path, headers, body: body ?? null }, new Handler(observer))
    },
    close: () => pool.destroy(),
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
    this.#observer.onFailure(FAULTS[code] ?? 'broken', error)
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
