import { memoise } from '../memoise.ts'

/** The head of an answer, and what it says about the bytes that follow. */
export type ParsedHead = {
  status: number
  /** latin1 */
  reason: string
  /** Flat, as received. */
  rawFields: string[]
  /** Of the body; -1 where none is declared. */
  contentLength: number
  isChunked: boolean
  /** Whether the instance means to keep the connection open. */
  keepsAlive: boolean
  /** The value of `Keep-Alive`. */
  keepAlive: string | undefined
}

/** Answers `undefined` for a head that the grammar does not allow, or that leaves any doubt about where its message ends. */
export type ParseHead = (text: string) => ParsedHead | undefined

type Kind =
  | 'invalid'
  | 'plain'
  | 'content-length'
  | 'transfer-encoding'
  | 'connection'
  | 'keep-alive'

const SPACE = 0x20
const TAB = 0x09
const ZERO = 0x30
const KINDS: ReadonlySet<string> = new Set<Kind>([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
])
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// With no white space but the usual: parsers differ in what else they take.
const LENGTH = /^ ?\d{1,15}$/
const CHUNKED = /^ ?chunked$/i
const CLOSE = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i

/**
 * Makes the parser of heads, which remembers the field names that it has judged.
 *
 * Its text is latin1, ends with the empty line, has `CR` and `LF` only as line ends, no control characters, and no line that begins with white space: the scanner has seen
 * to that. Length and chunks are believed only where a single field says so in the plainest form.
 *
 * @see RFC 9112 sections 4, 5 and 6.3
 */
export function createHeadParser(): ParseHead {
  const judge = memoise(judgeName)
  return text => {
    const end = text.indexOf('\r\n')
    const head = parseStatusLine(text, end)
    return head && parseFields(text, end + 2, head, judge) ? head : undefined
  }
}

/** Whether trailer fields keep to the grammar; none of them may say anything about framing. */
export function createTrailerCheck(): (text: string) => boolean {
  const judge = memoise(judgeName)
  return text => {
    for (let at = 0; at < text.length - 2; at = text.indexOf('\r\n', at) + 2) {
      const kind = judge(text.slice(at, text.indexOf(':', at)))
      if (kind !== 'plain') return false
    }
    return true
  }
}

/** `HTTP/1.1 200 OK`; the reason may be missing, its space too. */
function parseStatusLine(text: string, end: number): ParsedHead | undefined {
  const minor = text.charCodeAt(7) - ZERO
  if ((minor !== 0 && minor !== 1) || text.charCodeAt(8) !== SPACE || end < 12) return undefined
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11)
  if (!(status >= 100) || (end > 12 && text.charCodeAt(12) !== SPACE)) return undefined
  return {
    status,
    reason: text.slice(13, end),
    rawFields: [],
    contentLength: -1,
    isChunked: false,
    keepsAlive: minor === 1,
    keepAlive: undefined,
  }
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - ZERO
  return value >= 0 && value <= 9 ? value : Number.NaN
}

/** @returns whether they keep to the grammar */
function parseFields(
  text: string,
  start: number,
  head: ParsedHead,
  judge: (name: string) => Kind,
): boolean {
  let at = start
  while (at < text.length - 2) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon > end) return false
    const name = text.slice(at, colon)
    const kind = judge(name)
    const value = trimmed(text, colon + 1, end)
    if (kind !== 'plain' && !readFraming(head, kind, value, text.slice(colon + 1, end)))
      return false
    head.rawFields.push(name, value)
    at = end + 2
  }
  return !(head.isChunked && head.contentLength !== -1)
}

/** @returns whether it is the only field that says so, and in the form that nobody can take for another */
function readFraming(head: ParsedHead, kind: Kind, value: string, whole: string): boolean {
  switch (kind) {
    case 'content-length':
      if (head.contentLength !== -1 || !LENGTH.test(whole)) return false
      head.contentLength = Number(value)
      return true
    case 'transfer-encoding':
      if (head.isChunked || !CHUNKED.test(whole)) return false
      head.isChunked = true
      return true
    case 'connection':
      if (CLOSE.test(value)) head.keepsAlive = false
      return true
    case 'keep-alive':
      head.keepAlive = value
      return true
    default:
      return false
  }
}

function judgeName(name: string): Kind {
  if (!TOKEN.test(name)) return 'invalid'
  const lower = name.toLowerCase()
  return isKind(lower) ? lower : 'plain'
}

function isKind(name: string): name is Kind {
  return KINDS.has(name)
}

/** Without the optional white space around a value. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isSpace(text.charCodeAt(from))) from += 1
  while (to > from && isSpace(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}
