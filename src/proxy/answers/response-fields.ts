/**
 * The fields of a backend's answer, over flat lists as those of requests.
 *
 * @see RFC 9110 section 7.6.1
 */
import { HOP_BY_HOP, join, stripNominated } from '../headers.ts'
import { memoise } from '../memoise.ts'

/** What an answer's fields say to the proxy, and the flat list of those that pass. */
export type ResponseFields = {
  /** Name, value, name, value … for the client; the caller appends what it adds. */
  passed: string[]
  contentType: string | undefined
  contentLength: number | undefined
  hasCacheControl: boolean
  /** Compressed, or otherwise not as it reads. */
  isEncoded: boolean
  /** It names an MCP session. */
  namesSession: boolean
}

type Rule =
  | 'pass'
  | 'drop'
  | 'connection'
  | 'content-type'
  | 'content-length'
  | 'content-encoding'
  | 'cache-control'
  | 'mcp-session-id'

const READ: ReadonlySet<string> = new Set<Rule>([
  'connection',
  'content-type',
  'content-length',
  'content-encoding',
  'cache-control',
  'mcp-session-id',
])

/** Would speak for our origin, or to a proxy in front of us, in a backend's name. */
const DROPPED = new Set([
  ...HOP_BY_HOP,
  'alt-svc',
  'clear-site-data',
  'server',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'www-authenticate',
  'x-powered-by',
  'x-sendfile',
])

/** Reads and strips the fields of a backend's answer in one pass over the flat list. */
export function createResponseFieldsReader(): (
  status: number,
  rawFields: readonly string[],
) => ResponseFields {
  const judge = memoise(judgeField)
  return (status, rawFields) => {
    const fields = emptyFields()
    let connection: string | undefined
    for (let index = 0; index + 1 < rawFields.length; index += 2) {
      const name = rawFields[index] as string
      const value = rawFields[index + 1] as string
      const rule = judge(name)
      if (rule === 'drop') continue
      if (rule === 'connection') {
        connection = join(connection, value)
        continue
      }
      if (rule !== 'pass') read(fields, rule, value)
      fields.passed.push(name, value)
    }
    if (connection !== undefined) stripNominated(fields.passed, connection)
    // RFC 9110 section 8.6: there may be none.
    return status === 204 ? withLength(fields, undefined) : fields
  }
}

/** The same with another length, or none. */
export function withLength(fields: ResponseFields, bytes: number | undefined): ResponseFields {
  const isLength = (name: string | undefined): boolean => name?.toLowerCase() === 'content-length'
  const bare = fields.passed.filter((_, index, all) => !isLength(all[index - (index % 2)]))
  const length = bytes === undefined ? [] : ['content-length', String(bytes)]
  return { ...fields, contentLength: bytes, passed: [...bare, ...length] }
}

function emptyFields(): ResponseFields {
  return {
    passed: [],
    contentType: undefined,
    contentLength: undefined,
    hasCacheControl: false,
    isEncoded: false,
    namesSession: false,
  }
}

function read(
  fields: ResponseFields,
  rule: Exclude<Rule, 'pass' | 'drop' | 'connection'>,
  value: string,
): void {
  switch (rule) {
    case 'content-type':
      fields.contentType = value
      return
    case 'content-length':
      fields.contentLength = Number(value)
      return
    case 'content-encoding':
      fields.isEncoded ||= value.toLowerCase() !== 'identity'
      return
    case 'cache-control':
      fields.hasCacheControl = true
      return
    case 'mcp-session-id':
      fields.namesSession = true
  }
}

function judgeField(name: string): Rule {
  const lower = name.toLowerCase()
  if (isRead(lower)) return lower
  const isOurs = lower.startsWith('access-control-') || lower.startsWith('x-accel-')
  return isOurs || DROPPED.has(lower) ? 'drop' : 'pass'
}

function isRead(name: string): name is Rule {
  return READ.has(name)
}
