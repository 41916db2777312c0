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

/** One line of fields. */
type Line = {
  /** With its end. */
  text: string
  name: string
  kind: Exclude<Kind, 'invalid'>
  value: string
}

/** How much is remembered. */
const LINES = 32
const LINE_LENGTH = 256

/**
 * Makes the parser of heads for one instance. It remembers the field names that it has judged, and the lines of the latest head by their place: most of the next one's are the same.
 *
 * Its text is latin1, ends with the empty line, has `CR` and `LF` only as line ends, no control characters, and no line that begins with white space: the scanner has seen
 * to that. Length and chunks are believed only where a single field says so in the plainest form.
 *
 * @see RFC 9112 sections 4, 5 and 6.3
 */
export function createHeadParser(): ParseHead {
  const judge = memoise(judgeName)
  const latest: Line[] = []
  return text => {
    const end = text.indexOf('\r\n')
    const head = parseStatusLine(text, end)
    return head && parseFields(text, end + 2, head, latest, judge) ? head : undefined
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
  latest: Line[],
  judge: (name: string) => Kind,
): boolean {
  let at = start
  for (let place = 0; at < text.length - 2; place += 1) {
    const known = latest[place]
    const isKnown = known !== undefined && text.startsWith(known.text, at)
    const line = isKnown ? known : parseLine(text, at, judge)
    if (!line || !readFraming(head, line)) return false
    head.rawFields.push(line.name, line.value)
    if (!isKnown && place < LINES && line.text.length <= LINE_LENGTH) latest[place] = line
    at += line.text.length
  }
  return !(head.isChunked && head.contentLength !== -1)
}

function parseLine(text: string, at: number, judge: (name: string) => Kind): Line | undefined {
  const end = text.indexOf('\r\n', at)
  const colon = text.indexOf(':', at)
  if (colon === -1 || colon > end) return undefined
  const name = text.slice(at, colon)
  const kind = judge(name)
  if (kind === 'invalid' || !isPlainest(kind, text.slice(colon + 1, end))) return undefined
  return { text: text.slice(at, end + 2), name, kind, value: trimmed(text, colon + 1, end) }
}

/** Whether a field that says where the answer ends does so in the form that nobody can take for another. */
function isPlainest(kind: Kind, whole: string): boolean {
  if (kind === 'content-length') return LENGTH.test(whole)
  return kind !== 'transfer-encoding' || CHUNKED.test(whole)
}

/** @returns whether it is the only field that says so */
function readFraming(head: ParsedHead, { kind, value }: Line): boolean {
  switch (kind) {
    case 'plain':
      return true
    case 'content-length':
      if (head.contentLength !== -1) return false
      head.contentLength = Number(value)
      return true
    case 'transfer-encoding':
      if (head.isChunked) return false
      head.isChunked = true
      return true
    case 'connection':
      if (CLOSE.test(value)) head.keepsAlive = false
      return true
    case 'keep-alive':
      head.keepAlive = value
      return true
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
