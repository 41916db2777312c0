import { connect } from 'node:net'
import { type ExchangeObserver, faultOf, isOurs, type OutboundRequest } from '../exchange.ts'
import type { Finding } from './health.ts'
import type { Instance } from './instance.ts'

/**
 * - `tcp`: can it be connected to?
 * - `mcp`: does it answer a request?
 */
export type ProbeKind = 'tcp' | 'mcp'

/**
 * @param timeoutMs of each step of it
 * @returns nothing where it could not be asked, which is no fault of the instance
 */
export function probe(
  instance: Instance,
  kind: ProbeKind,
  timeoutMs: number,
): Promise<Finding | undefined> {
  return kind === 'tcp' ? knock(instance, timeoutMs) : askMcp(instance, timeoutMs)
}

function knock({ host, port }: Instance, timeoutMs: number): Promise<Finding | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (finding: Finding | undefined): void => {
      resolve(finding)
      socket.destroy()
    }
    socket
      .once('connect', () => end('open'))
      .once('timeout', () => end('dead'))
      .once('error', error => end(isOurs(faultOf(error)) ? undefined : 'dead'))
  })
}

/**
 * Nobody's credential goes with it, so a 401 is the usual answer, and as good as any: something is there that reads requests. `initialize` is for servers that answer what they do not
 * know with 5xx; it comes second because it may begin a session.
 */
async function askMcp(instance: Instance, timeoutMs: number): Promise<Finding | undefined> {
  for (const request of [DISCOVER, INITIALIZE]) {
    const status = await statusOf(instance, request, timeoutMs)
    if (status === undefined) return undefined
    if (status < 500) return 'answered'
  }
  return 'dead'
}

const CLIENT = { name: 'mcp-auth-gateway', version: '1' }

/** @see MCP 2026-07-28, "Discovery" */
const DISCOVER = message('server/discover', '2026-07-28', {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': CLIENT,
    'io.modelcontextprotocol/clientCapabilities': {},
  },
})

/** @see MCP 2025-11-25, "Lifecycle" */
const INITIALIZE = message('initialize', '2025-11-25', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: CLIENT,
})

function message(method: string, version: string, params: object) {
  return {
    method: 'POST',
    fields: [
      ...['content-type', 'application/json', 'accept', 'application/json, text/event-stream'],
      ...['mcp-protocol-version', version, 'mcp-method', method],
    ],
    body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })),
  }
}

/** @returns `Infinity` where there is no answer, nothing where it could not be asked */
function statusOf(
  { connector, path, search }: Instance,
  request: Pick<OutboundRequest, 'method' | 'fields' | 'body'>,
  headersTimeoutMs: number,
): Promise<number | undefined> {
  return new Promise(resolve => {
    let abort = (): void => {}
    const observer: ExchangeObserver = {
      onStart: exchange => {
        abort = () => exchange.abort()
      },
      onHead: status => {
        resolve(status)
        // The rest of the answer may never end.
        abort()
      },
      onData: () => {},
      onEnd: () => {},
      onFailure: fault => resolve(isOurs(fault) ? undefined : Infinity),
    }
    connector.dispatch({ ...request, path: path + search, headersTimeoutMs }, observer)
  })
}
