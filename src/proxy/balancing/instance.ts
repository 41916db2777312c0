import { isIPv6 } from 'node:net'
import type { Connector, ConnectorOptions } from '../exchange.ts'
import { createPlainConnector } from '../http1/plain-connector.ts'
import { createUndiciConnector } from '../undici-connector.ts'

/** One server of a backend. */
export type Instance = {
  /** Origin, and the address where a name has several; for the log and for people. */
  name: string
  /** Path of its MCP endpoint. */
  path: string
  /** Query of its URL with the question mark, or nothing. */
  search: string
  /** Where its port is. */
  host: string
  port: number
  connector: Connector
}

/** @param options where `address` is given, of the one of the host's addresses that is meant */
export function createInstance(url: URL, options: ConnectorOptions): Instance {
  const { address } = options
  const isPlain = url.protocol === 'http:'
  return {
    name: address === undefined ? url.origin : `${url.origin} at ${bracketed(address)}`,
    path: url.pathname,
    search: url.search,
    host: address ?? url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (isPlain ? 80 : 443)),
    connector: isPlain
      ? createPlainConnector(url, options)
      : createUndiciConnector(url.origin, options),
  }
}

function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address
}
