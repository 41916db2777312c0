import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, fetch, type RequestInit as UndiciInit } from 'undici'
import type { BrowserAgentOptions } from './browser-agent.ts'

const LOOPBACK = '127.0.0.1'

/**
 * Makes a `fetch` that finds, as browsers do, names below `localhost` on this computer, whatever the system's own resolver thinks of them. The development IdP of the
 * compose file has such a name.
 *
 * @see RFC 6761 section 6.3
 */
export function createBrowserFetch(): NonNullable<BrowserAgentOptions['fetch']> {
  const dispatcher = new Agent({ connect: { lookup: lookUp } })
  return async (url, { method, headers, body, redirect }) => {
    const init = { method, headers, body, redirect, dispatcher } as UndiciInit
    const { status, headers: fields, body: content } = await fetch(url, init)
    return new Response(content as ReadableStream | null, { status, headers: [...fields] })
  }
}

const lookUp: LookupFunction = (name, options, callback) => {
  if (!name.endsWith('.localhost')) return lookup(name, options, callback)
  if (options.all) callback(null, [{ address: LOOPBACK, family: isIP(LOOPBACK) }])
  else callback(null, LOOPBACK, isIP(LOOPBACK))
}
