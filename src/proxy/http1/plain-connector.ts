import type { Connector, ConnectorOptions, ExchangeObserver, OutboundRequest } from '../exchange.ts'
import { IDLE_CONNECTION_MS } from '../exchange.ts'
import { Connection, type ConnectionSurroundings } from './connection.ts'
import { createRequestHeadRenderer } from './request-head.ts'
import { createHeadParser, createTrailerCheck } from './response-head.ts'

const TICK_MS = 500
const IDLE_TICKS = IDLE_CONNECTION_MS / TICK_MS
/** An instance that names its limit is left before it. */
const KEEP_ALIVE_MARGIN_MS = 1000
const READ_BYTES = 65_536

type Waiting = { request: OutboundRequest; observer: ExchangeObserver }

/**
 * Connections of our own, for plain HTTP/1.1. How many there are is bounded by how many exchanges are.
 *
 * @param url of the instance; only its host and port count
 */
export function createPlainConnector(
  url: URL,
  { connectTimeoutMs, address }: Pick<ConnectorOptions, 'connectTimeoutMs' | 'address'>,
): Connector {
  const connections = new Set<Connection>()
  const idle: Connection[] = []
  let waiting: Waiting[] = []
  let isClosed = false
  let retired: (() => void) | undefined

  const surroundings: ConnectionSurroundings = {
    ...{ host: address ?? url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) },
    connectTimeoutMs,
    rules: { parseHead: createHeadParser(), checkTrailers: createTrailerCheck() },
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    renderHead: createRequestHeadRenderer(url.host),
    idleTicksAfter: createIdleTicks(),
    onIdle(connection) {
      if (retired) connection.close()
      else idle.push(connection)
    },
    onClosed(connection) {
      connections.delete(connection)
      const at = idle.indexOf(connection)
      if (at !== -1) idle.splice(at, 1)
      finishIfRetired()
    },
  }

  const open = ({ request, observer }: Waiting): void => {
    const connection = new Connection(surroundings, opened => opened.start(request, observer))
    connection.reserve(observer)
    connections.add(connection)
  }

  const sendWaiting = (): void => {
    const all = waiting
    waiting = []
    for (const one of all) {
      const connection = idle.pop()
      if (connection) connection.start(one.request, one.observer)
      else if (isClosed) one.observer.onFailure('broken', new Error('the gateway is stopping'))
      else open(one)
    }
  }

  const clock = startClock(connections)

  const finishIfRetired = (): void => {
    if (!retired || connections.size > 0 || waiting.length > 0) return
    clearInterval(clock)
    retired()
  }

  return {
    dispatch(request, observer) {
      if (waiting.length === 0) setImmediate(sendWaiting)
      // After this turn's reads, so that a connection which was closed, or on which something came unasked, is found out before it is written to.
      waiting.push({ request, observer })
    },
    retire: () =>
      new Promise(resolve => {
        retired = resolve
        for (const connection of [...idle]) connection.close()
        finishIfRetired()
      }),
    async close() {
      isClosed = true
      clearInterval(clock)
      for (const connection of [...connections]) connection.break()
    },
  }
}

function startClock(connections: ReadonlySet<Connection>): NodeJS.Timeout {
  return setInterval(() => {
    for (const connection of connections) connection.tick(TICK_MS)
  }, TICK_MS).unref()
}

/** The same field comes with each answer, so only a new one is read. */
function createIdleTicks(): (keepAlive: string | undefined) => number {
  let last: string | undefined
  let ticks = IDLE_TICKS
  return keepAlive => {
    if (keepAlive === last) return ticks
    last = keepAlive
    const seconds = /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(keepAlive ?? '')?.[1]
    const limitMs = seconds === undefined ? Infinity : Number(seconds) * 1000 - KEEP_ALIVE_MARGIN_MS
    ticks = Math.max(0, Math.min(IDLE_TICKS, Math.floor(limitMs / TICK_MS)))
    return ticks
  }
}
