import { type Member, membersOf, readJson, stringAt } from '../json-text.ts'
import { objectAt } from './canonical.ts'

/** A result that may be given again, in two pieces: the rest of its life stands between them. They have one character a byte, as Node writes them fastest. */
export type ListAnswer = {
  scope: 'public' | 'private'
  /** From when it was asked for. */
  ttlMs: number
  before: string
  after: string
}

/** What a backend says of one request only. */
const REQUEST_SPECIFIC = new Set(['progressToken', 'traceparent', 'tracestate', 'baggage'])
/** A result with one of these belongs to a conversation. */
const DEPENDENT = new Set(['inputRequests', 'inputResponses', 'requestState'])
const LIFE = /^\d{1,15}$/

/**
 * Reads a JSON-RPC message as the answer to the request of that id.
 *
 * @param id text of the request's id
 * @returns `undefined` where it must not be given again: an error, a result that is not complete or says nothing of its life, one that two parsers could read differently
 * @see MCP 2026-07-28, "Caching"
 */
export function readListAnswer(message: string, id: string): ListAnswer | undefined {
  const root = readJson(message)
  const envelope = root && objectAt(message, root)
  const result = envelope?.get('result')
  const answered = envelope?.get('id')
  if (!envelope || !result || !answered || envelope.has('error')) return undefined
  if (!isSameScalar(message.slice(answered.start, answered.end), id)) return undefined
  return readResult(message.slice(result.start, result.end))
}

function readResult(written: string): ListAnswer | undefined {
  const text = withoutSpecifics(written)
  const result = objectAt(text, { start: 0, end: text.length })
  if (!result || [...result.keys()].some(key => DEPENDENT.has(key))) return undefined
  const [life, type, scope] = ['ttlMs', 'resultType', 'cacheScope'].map(key => result.get(key))
  if (!life || !type || !scope || stringAt(text, type) !== 'complete') return undefined
  const said = stringAt(text, scope)
  const ttl = text.slice(life.start, life.end)
  if ((said !== 'public' && said !== 'private') || !LIFE.test(ttl) || Number(ttl) === 0) {
    return undefined
  }
  const before = byByte(text.slice(0, life.start))
  return { scope: said, ttlMs: Number(ttl), before, after: byByte(text.slice(life.end)) }
}

/** The text of a result without what its `_meta` says of one request only. */
function withoutSpecifics(text: string): string {
  const meta = membersOf(text, { start: 0, end: text.length }).find(({ key }) => key === '_meta')
  if (!meta) return text
  const members = membersOf(text, meta)
  const kept = members.filter(({ key }) => !REQUEST_SPECIFIC.has(key))
  if (kept.length === members.length) return text
  const written = kept.map(member => `${JSON.stringify(member.key)}:${textOf(text, member)}`)
  return `${text.slice(0, meta.start)}{${written.join(',')}}${text.slice(meta.end)}`
}

/** The bytes of a text, as one character each. */
export function byByte(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function textOf(text: string, { start, end }: Member): string {
  return text.slice(start, end)
}

/** Of two texts that are JSON strings or numbers, or one of them something else. */
function isSameScalar(left: string, right: string): boolean {
  return left === right || JSON.parse(left) === JSON.parse(right)
}
