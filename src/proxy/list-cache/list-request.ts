import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type WatchCache, watchNothing } from '../../observability/caches.ts'
import { membersOf, readJson, type Span, stringAt } from '../json-text.ts'
import { decodeUtf8 } from '../message.ts'
import { canonicalObject, objectAt } from './canonical.ts'
import { listOf } from './methods.ts'
import { isNeutral } from './neutral-fields.ts'

/** What is known of a request when it is asked whether its answer is at hand. */
export type RequestParts = {
  resource: string
  /** The query with its question mark, or nothing. */
  search: string
  /** As they go to the backend, flat; without those that the gateway adds. */
  fields: readonly string[]
  body: Uint8Array
}

/** A request whose answer may be kept, and given to others. */
export type ListRequest = {
  /** The text of its JSON-RPC id. */
  id: string
  /** Stands for everything that the answer may depend on, but for who asks and when. */
  question: string
}

const FIRST_MODERN = '2026-07-28'
const VERSION = /^\d{4}-\d{2}-\d{2}$/
const LARGEST_BYTES = 16_384
const ENVELOPE = new Set(['jsonrpc', 'id', 'method', 'params'])
/** What came of another request. MCP 2026-07-28, "Caching": such answers must not be kept. */
const DEPENDENT = new Set(['inputResponses', 'requestState'])
const META = 'io.modelcontextprotocol/'
/** What identifies one request among others. */
const REQUEST_SPECIFIC = new Set(['progressToken', 'traceparent', 'tracestate'])
/** With any of these, a client wants more than the answer, or another one than that which is kept; the last ones belong to older versions. */
const DECLINING = new Set([
  ...['cache-control', 'pragma', 'content-encoding', 'range'],
  ...['mcp-session-id', 'last-event-id'],
])

/**
 * Reads a request as one for an answer that may be kept.
 *
 * The question holds all that the client can say to a backend, in the body and in fields, without what is known to be of no consequence. So whoever makes a backend answer
 * strangely gets that answer kept under a strange question, which nobody else asks.
 *
 * @returns `undefined` where it is not one, or could be read in two ways; it is the backend's then
 */
export function readListRequest(parts: RequestParts): ListRequest | undefined {
  const fields = readFields(parts.fields)
  const message = fields && readMessage(parts.body)
  if (!fields || message?.method !== fields.method || message.version !== fields.version) {
    return undefined
  }
  const { resource, search } = parts
  const asked = [resource, search, message.method, fields.keyed, message.params]
  return { id: message.id, question: hash('sha256', JSON.stringify(asked), 'base64url') }
}

const REMEMBERED_REQUESTS = 512
const REMEMBERED_LENGTH = 4096

/** The same, remembered: clients of one kind begin with the same requests, to the byte. */
export function createListRequestReader(
  watchCache: WatchCache = watchNothing,
): typeof readListRequest {
  const known = new LRUCache<string, ListRequest>({ max: REMEMBERED_REQUESTS })
  watchCache('list_requests', () => known.size)
  return parts => {
    const { resource, search, fields, body } = parts
    if (body.byteLength > REMEMBERED_LENGTH) return readListRequest(parts)
    // No part but the body has a line end, and how many there are stands first, so no two requests are written alike.
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
    const written = `${fields.length}\n${resource}\n${search}\n${fields.join('\n')}\n${text}`
    const remembered = known.get(written)
    if (remembered) return remembered
    const request = readListRequest(parts)
    if (request && written.length <= REMEMBERED_LENGTH) known.set(written, request)
    return request
  }
}

type Field = readonly [name: string, value: string]
type Fields = { method: string; version: string; keyed: readonly Field[] }

function readFields(flat: readonly string[]): Fields | undefined {
  const fields = pairsOf(flat)
  if (fields.some(([name]) => DECLINING.has(name))) return undefined
  const listed = (wanted: string): string =>
    fields.flatMap(([name, value]) => (name === wanted ? [value] : [])).join(', ')
  const version = listed('mcp-protocol-version')
  const isModern = VERSION.test(version) && version >= FIRST_MODERN
  if (!isModern || !takesJson(listed('accept'))) return undefined
  // In the order of names only: which of two fields of one name comes first can matter.
  const keyed = fields.filter(([name]) => !isNeutral(name)).toSorted(byName)
  return { method: listed('mcp-method'), version, keyed }
}

function pairsOf(flat: readonly string[]): Field[] {
  const pairs: Field[] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    pairs.push([(flat[index] ?? '').toLowerCase(), flat[index + 1] ?? ''])
  }
  return pairs
}

function byName([left]: Field, [right]: Field): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** Kept answers are given as JSON, which every client must accept; one that does not say so gets what the backend makes of that. */
function takesJson(accept: string): boolean {
  return /application\/json(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))|\*\/\*/i.test(accept)
}

type Message = { id: string; method: string; version: string; params: string }

function readMessage(body: Uint8Array): Message | undefined {
  if (body.byteLength > LARGEST_BYTES) return undefined
  const text = decodeUtf8(body)
  const root = text === undefined ? undefined : readJson(text)
  if (text === undefined || !root) return undefined
  const envelope = objectAt(text, root)
  if (!envelope || [...envelope.keys()].some(key => !ENVELOPE.has(key))) return undefined
  const [id, method, params] = [envelope.get('id'), envelope.get('method'), envelope.get('params')]
  const name = method && stringAt(text, method)
  if (!id || !isId(text, id) || name === undefined || !params || listOf(name) === undefined) {
    return undefined
  }
  const asked = readParams(text, params)
  return asked && { ...asked, id: text.slice(id.start, id.end), method: name }
}

/** The parameters without what is specific to one request. */
function readParams(text: string, span: Span): Pick<Message, 'version' | 'params'> | undefined {
  const params = objectAt(text, span)
  const meta = params?.get('_meta')
  const said = meta && objectAt(text, meta)
  if (!params || !said || [...params.keys()].some(key => DEPENDENT.has(key))) return undefined
  // Messages of the log come with the answer, on one stream.
  if (said.has(`${META}logLevel`)) return undefined
  const version = said.get(`${META}protocolVersion`)
  const versionText = version && stringAt(text, version)
  const others = membersOf(text, span).filter(({ key }) => key !== '_meta')
  const ofMeta = membersOf(text, meta).filter(({ key }) => !REQUEST_SPECIFIC.has(key))
  const [canonical, canonicalMeta] = [canonicalObject(text, others), canonicalObject(text, ofMeta)]
  if (versionText === undefined || canonical === undefined || canonicalMeta === undefined) {
    return undefined
  }
  return { version: versionText, params: `${canonical} ${canonicalMeta}` }
}

function isId(text: string, { start }: Span): boolean {
  return /["\d-]/.test(text[start] ?? '')
}
