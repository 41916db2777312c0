/**
 * What a request asks a backend for, as far as a policy wants to know. It is the body that says so, since every backend acts on that; the fields of modern requests, which repeat it
 * for those who do not want to read bodies, must agree.
 *
 * A body that two parsers could read differently is not read at all: repeated keys, keys that differ from ours in case only, bytes that are not UTF-8, or that are said to be
 * something else: in UTF-7 the text of a string can hold the quote that ends it.
 *
 * @see MCP 2026-07-28, streamable HTTP, "Standard MCP Request Headers"
 */
import { isArray, type Member, membersOf, readJson, type Span, stringAt } from './json-text.ts'

/** One message that has a method. */
export type Ask = {
  method: string
  /** Whom a `tools/call` is for. */
  tool?: string
}

/** - `mismatch`: body and fields ask for different things. */
export type Reading =
  | { outcome: 'read'; asks: readonly Ask[] }
  | { outcome: 'mismatch'; reason: string }
  | { outcome: 'unreadable'; reason: string }

/** The first version whose servers must compare fields and body. */
const FIRST_VALIDATED = '2026-07-28'
const VERSION = /^\d{4}-\d{2}-\d{2}$/
const UTF_8 = /;\s*charset\s*=\s*("?)utf-?8\1\s*(?=;|$)/gi
const ENCODED = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/

/** @param fields of the request as they go to the backend, flat */
export function readMessages(body: Uint8Array, fields: readonly string[]): Reading {
  try {
    if (saysOtherCharset(fields)) throw new Unreadable('the body is said not to be UTF-8')
    const asks = readBody(body)
    return findMismatch(asks, fields) ?? { outcome: 'read', asks }
  } catch (error) {
    if (error instanceof Unreadable) return { outcome: 'unreadable', reason: error.message }
    throw error
  }
}

class Unreadable extends Error {}

function readBody(body: Uint8Array): Ask[] {
  const text = decodeUtf8(body)
  const root = text === undefined ? undefined : readJson(text)
  if (text === undefined || !root) throw new Unreadable('the body is not JSON')
  const messages = isArray(text, root) ? membersOf(text, root) : [root]
  return messages.flatMap(message => readMessage(text, message))
}

/** Nothing for a response, which a client of an older version may send too. */
function readMessage(text: string, message: Span): Ask[] {
  const members = membersOf(text, message)
  const method = theOne(members, 'method')
  if (!method) return []
  const name = stringAt(text, method)
  if (name === undefined) throw new Unreadable('the method is not a string')
  return [name === 'tools/call' ? readToolCall(text, name, members) : { method: name }]
}

function readToolCall(text: string, method: string, members: readonly Member[]): Ask {
  const params = theOne(members, 'params')
  const name = params && theOne(membersOf(text, params), 'name')
  const tool = name && stringAt(text, name)
  if (tool === undefined) throw new Unreadable('the tool has no name')
  return { method, tool }
}

/** The member that every parser takes for `key`: the only one, even for those that do not tell upper from lower case. */
function theOne(members: readonly Member[], key: string): Member | undefined {
  const candidates = members.filter(member => fold(member.key) === key)
  const [only] = candidates
  if (candidates.length > 1 || (only && only.key !== key)) {
    throw new Unreadable(`${key} is ambiguous`)
  }
  return only
}

/** Through upper case, because some lower-case letters have only that in common with a letter of ASCII. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase()
}

function findMismatch(
  asks: readonly Ask[],
  fields: readonly string[],
): (Reading & { outcome: 'mismatch' }) | undefined {
  const versions = valuesOf(fields, 'mcp-protocol-version')
  if (!versions.some(isValidated)) return undefined
  const methods = valuesOf(fields, 'mcp-method')
  const names = valuesOf(fields, 'mcp-name')
  for (const { method, tool } of asks) {
    if (methods.some(value => value !== method)) return mismatch('Mcp-Method')
    if (tool !== undefined && names.some(value => decodeName(value) !== tool)) {
      return mismatch('Mcp-Name')
    }
  }
  return undefined
}

function mismatch(field: string): Reading & { outcome: 'mismatch' } {
  return { outcome: 'mismatch', reason: `${field} and the body differ` }
}

/** Whether the body is said to be anything else than UTF-8; of several fields, or a parameter that is repeated, each counts. @param fields flat */
export function saysOtherCharset(fields: readonly string[]): boolean {
  return valuesOf(fields, 'content-type').some(type => /charset/i.test(type.replaceAll(UTF_8, '')))
}

function isValidated(version: string): boolean {
  return VERSION.test(version) && version >= FIRST_VALIDATED
}

/** @returns `undefined` where it says that it is encoded and is not */
function decodeName(value: string): string | undefined {
  if (!value.startsWith('=?base64?') || !value.endsWith('?=')) return value
  const encoded = ENCODED.exec(value)?.[1]
  return encoded === undefined ? undefined : decodeUtf8(Buffer.from(encoded, 'base64'))
}

/** @returns `undefined` where the bytes are no UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function valuesOf(fields: readonly string[], wanted: string): string[] {
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1]?.toLowerCase() === wanted)
}
