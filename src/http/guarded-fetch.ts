import { setTimeout as pause } from 'node:timers/promises'
import { Client, type Dispatcher } from 'undici'
import {
  createGuardedConnector,
  createPublicNetwork,
  type Network,
  RefusedAddressError,
} from './guarded-connector.ts'

/**
 * - `fetched`: what the JSON says; header names are in lower case.
 * - `refused`: what is there, or where it is, is not acceptable. Asking again is of no use until somebody changes it.
 * - `unreachable`: no answer now; says nothing about the document.
 *
 * Reasons are for the log.
 */
export type FetchedJson =
  | { outcome: 'fetched'; value: unknown; headers: Readonly<Record<string, string>> }
  | FetchFailure

export type FetchFailure = { outcome: 'refused' | 'unreachable'; reason: string }

/** Fetches a stranger's JSON document. Never throws for what the stranger does. */
export type GuardedFetch = (url: string, maxBytes: number) => Promise<FetchedJson>

export type GuardedFetchOptions = {
  /** From the first look-up to the last byte. */
  timeoutMs?: number
  /** Beyond it, documents are `unreachable`: strangers choose the URLs, and some will be slow. */
  maxAtOnce?: number
  network?: Network
}

const MAX_HEADER_BYTES = 16 * 1024
const JSON_TYPE = /^application\/([\w.!#$&^+-]+\+)?json\s*(;|$)/i
const REQUEST_HEADERS = {
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'mcp-auth-gateway',
}

/**
 * A GET of a URL that a stranger has chosen: https only, public addresses only, no redirects, no cookies, a bounded body, a bounded time, JSON only.
 *
 * @see draft-ietf-oauth-client-id-metadata-document-02 sections 5, 8.6 and 8.7
 */
export function createGuardedFetch(options: GuardedFetchOptions = {}): GuardedFetch {
  const { timeoutMs = 5000, maxAtOnce = 64, network = createPublicNetwork() } = options
  const connect = createGuardedConnector(network, timeoutMs)
  let underWay = 0

  return async function guardedFetch(url, maxBytes) {
    const target = URL.parse(url)
    if (target?.protocol !== 'https:') return refused('not an https URL')
    if (underWay >= maxAtOnce) return unreachable('too many documents are being fetched')
    underWay += 1
    // A client of its own for each fetch, since its one connection must not be used for another document.
    const client = new Client(target.origin, { connect, maxHeaderSize: MAX_HEADER_BYTES })
    const deadline = new AbortController()
    try {
      return await Promise.race([
        request(client, target, maxBytes),
        pause(timeoutMs, unreachable(`no answer within ${timeoutMs} ms`), deadline),
      ])
    } catch (error) {
      return describeFailure(error)
    } finally {
      deadline.abort()
      underWay -= 1
      await client.destroy()
    }
  }
}

async function request(client: Client, { pathname, search }: URL, maxBytes: number) {
  const response = await client.request({
    method: 'GET',
    path: pathname + search,
    headers: REQUEST_HEADERS,
  })
  const headers = flatten(response.headers)
  return findFault(response.statusCode, headers) ?? readJson(response.body, headers, maxBytes)
}

function findFault(status: number, headers: Record<string, string>): FetchFailure | undefined {
  if (status >= 500 || status === 429 || status === 408) return unreachable(`status ${status}`)
  if (status !== 200) return refused(`status ${status}`)
  if (!JSON_TYPE.test(headers['content-type'] ?? '')) return refused('not application/json')
  const encoding = headers['content-encoding'] ?? 'identity'
  return encoding.toLowerCase() === 'identity' ? undefined : refused('compressed')
}

async function readJson(
  body: Dispatcher.ResponseData['body'],
  headers: Record<string, string>,
  maxBytes: number,
): Promise<FetchedJson> {
  const tooLarge = refused(`more than ${maxBytes} bytes`)
  if (Number(headers['content-length'] ?? 0) > maxBytes) return tooLarge
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) return tooLarge
    chunks.push(chunk)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return { outcome: 'fetched', value: JSON.parse(text), headers }
  } catch {
    return refused('not JSON')
  }
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  )
}

function describeFailure(error: unknown): FetchFailure {
  if (error instanceof RefusedAddressError) return refused(error.message)
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return unreachable(typeof code === 'string' ? code : 'the connection failed')
}

function refused(reason: string): FetchFailure {
  return { outcome: 'refused', reason }
}

function unreachable(reason: string): FetchFailure {
  return { outcome: 'unreachable', reason }
}
