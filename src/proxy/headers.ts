/**
 * Header rules of the hot path, over flat lists: order and repeated fields survive, and nothing becomes a `Headers` object.
 *
 * Strips first and injects last, so whatever a client lists in `Connection` can remove its own fields but never one that we add. Each spelling of a name is judged once
 * and remembered.
 *
 * @see RFC 9110 section 7.6.1
 */

import { memoise } from './memoise.ts'

/** What a request's fields say to the proxy, and the flat list of those that pass. */
export type RequestHead = {
  /** Name, value, name, value … for the backend; the caller appends what it injects. */
  passed: string[]
  authorization: string | undefined
  /** More than one `Authorization` or `Origin` field: whichever we read, somebody else may read another. */
  isAmbiguous: boolean
  origin: string | undefined
  /** All `X-Forwarded-For` fields as one list. */
  forwardedFor: string | undefined
  contentLength: number | undefined
  hasBody: boolean
  expectsContinue: boolean
  mcpMethod: string | undefined
  /** `Access-Control-Request-Method` and `-Headers` of a preflight. */
  requestedMethod: string | undefined
  requestedHeaders: string | undefined
}

type RequestRule =
  | 'pass'
  | 'drop'
  | 'connection'
  | 'authorization'
  | 'origin'
  | 'x-forwarded-for'
  | 'content-length'
  | 'transfer-encoding'
  | 'expect'
  | 'mcp-method'
  | 'access-control-request-method'
  | 'access-control-request-headers'

const READ: ReadonlySet<string> = new Set<RequestRule>([
  'connection',
  'authorization',
  'origin',
  'x-forwarded-for',
  'content-length',
  'transfer-encoding',
  'expect',
  'mcp-method',
  'access-control-request-method',
  'access-control-request-headers',
])

/** Fields of one connection, not of the message. */
export const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Never passed on from a client, in any spelling; some of them are injected anew. */
const REQUEST_DROPPED = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'content-length',
  'cookie',
  'cookie2',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'origin',
  'x-forwarded',
  'x-real-ip',
  'x-request-id',
  // With these some frameworks take a request for another path or method than it has.
  ...['x-original-url', 'x-original-uri', 'x-rewrite-url'],
  ...['x-http-method', 'x-http-method-override', 'x-method-override'],
])

/** Fields that decisions rest on: a second spelling could tell a backend something else than it tells us. */
const ONE_SPELLING = new Set([
  'content-encoding',
  'content-type',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'last-event-id',
])

/** Reads and strips a request's fields in one pass over `rawHeaders`. */
export function createRequestHeadReader(): (rawHeaders: readonly string[]) => RequestHead {
  const judge = memoise(judgeRequestField)
  return rawHeaders => {
    const head = emptyHead()
    let connection: string | undefined
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] as string
      const value = rawHeaders[index + 1] as string
      const rule = judge(name)
      if (rule === 'pass') head.passed.push(name, value)
      else if (rule === 'connection') connection = join(connection, value)
      else if (rule !== 'drop') read(head, rule, name, value)
    }
    if (connection !== undefined) stripNominated(head.passed, connection)
    return head
  }
}

function emptyHead(): RequestHead {
  return {
    passed: [],
    authorization: undefined,
    isAmbiguous: false,
    origin: undefined,
    forwardedFor: undefined,
    contentLength: undefined,
    hasBody: false,
    expectsContinue: false,
    mcpMethod: undefined,
    requestedMethod: undefined,
    requestedHeaders: undefined,
  }
}

function read(head: RequestHead, rule: RequestRule, name: string, value: string): void {
  switch (rule) {
    case 'authorization':
      head.isAmbiguous ||= head.authorization !== undefined
      head.authorization = value
      return
    case 'origin':
      head.isAmbiguous ||= head.origin !== undefined
      head.origin = value
      return
    case 'x-forwarded-for':
      head.forwardedFor = join(head.forwardedFor, value)
      return
    case 'content-length':
      head.contentLength = Number(value)
      head.hasBody = head.contentLength !== 0
      return
    case 'transfer-encoding':
      head.hasBody = true
      return
    case 'expect':
      head.expectsContinue = value.toLowerCase() === '100-continue'
      return
    case 'mcp-method':
      head.mcpMethod = value
      break
    case 'access-control-request-method':
      head.requestedMethod = value
      break
    case 'access-control-request-headers':
      head.requestedHeaders = join(head.requestedHeaders, value)
      break
  }
  head.passed.push(name, value)
}

function judgeRequestField(name: string): RequestRule {
  const lower = name.toLowerCase()
  if (isReadRule(lower)) return lower
  // What a CGI-like backend would make of the name: `X_Forwarded_For` and `X-Forwarded-For` are one variable to it.
  const normal = lower.replaceAll(/[^a-z0-9]/g, '-')
  if (REQUEST_DROPPED.has(normal) || normal.startsWith('x-forwarded-')) return 'drop'
  return ONE_SPELLING.has(normal) && normal !== lower ? 'drop' : 'pass'
}

function isReadRule(name: string): name is RequestRule {
  return READ.has(name)
}

/** Takes the fields that a `Connection` names out of a flat list. */
export function stripNominated(passed: string[], connection: string): void {
  const nominated = nominations(connection)
  if (nominated.length === 0) return
  for (let index = passed.length - 2; index >= 0; index -= 2) {
    const name = passed[index]
    if (name !== undefined && nominated.includes(name.toLowerCase())) passed.splice(index, 2)
  }
}

/** Asks the backend for an answer that can be read: not compressed. */
export function askForPlain(head: Pick<RequestHead, 'passed'>): void {
  const isCoding = (name = ''): boolean => name.toLowerCase() === 'accept-encoding'
  const others = head.passed.filter((_, index, all) => !isCoding(all[index - (index % 2)]))
  head.passed = [...others, 'accept-encoding', 'identity']
}

function nominations(connection: string): string[] {
  if (connection === 'keep-alive' || connection === 'close') return []
  return connection.toLowerCase().split(',').map(trimmed)
}

function trimmed(text: string): string {
  return text.trim()
}

/** Several fields of one name as one list. */
export function join(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}
