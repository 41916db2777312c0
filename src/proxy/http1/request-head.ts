import type { OutboundRequest } from '../exchange.ts'
import { memoise } from '../memoise.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const NO_PATH = /[^\x21-\x7e\x80-\xff]/
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const FRAMING = /^(?:host|connection|content-length|transfer-encoding|expect|upgrade)$/i
const LONG_VALUE = 64
const LONG_VALUES_REMEMBERED = 4096
const PLACES = 64
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH'])

/** A field as it was sent last. */
type Line = { name: string; value: string; text: string }

/** Whether nobody can be in doubt about where such a request, and its answer, end; after any other the connection is closed. */
export function isPlain({ method, body }: OutboundRequest): boolean {
  return method !== 'HEAD' && (body === undefined || WITH_BODY.has(method))
}

/**
 * Renders the head of a request, the empty line with it.
 *
 * Whatever could end a line or a field early is refused here once more, although the fields come from Node's strict parser: some are made of what an IdP said.
 *
 * @param host value of `Host`
 * @returns `undefined` where it cannot be sent
 * @see RFC 9112 sections 2 to 5
 */
export function createRequestHeadRenderer(
  host: string,
): (request: OutboundRequest) => string | undefined {
  const beginField = memoise(name => (TOKEN.test(name) && !FRAMING.test(name) ? `${name}: ` : ''))
  const isValue = createValueCheck()
  const latest: Line[] = []
  // Most fields are the same as in the request before, and at the same place.
  const renderLine = (place: number, name: string, value: string): string => {
    const known = latest[place]
    if (known?.value === value && known.name === name) return known.text
    const begin = beginField(name)
    if (begin === '' || !isValue(value)) return ''
    const line = { name, value, text: `${begin}${value}\r\n` }
    if (place < PLACES && value.length < LONG_VALUE) latest[place] = line
    return line.text
  }
  const isMethod = memoise(method => TOKEN.test(method))
  const shared = [
    ` HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`,
    ` HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n`,
  ]
  return request => {
    const { method, path, fields, body } = request
    if (!isMethod(method) || NO_PATH.test(path) || path === '') return undefined
    let head = `${method} ${path}${shared[isPlain(request) ? 0 : 1]}`
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const line = renderLine(index / 2, fields[index] as string, fields[index + 1] as string)
      if (line === '') return undefined
      head += line
    }
    if (body) return `${head}content-length: ${body.byteLength}\r\n\r\n`
    return WITH_BODY.has(method) ? `${head}content-length: 0\r\n\r\n` : `${head}\r\n`
  }
}

/** Long values are the upstream tokens, which come again and again: what was found good is remembered. */
function createValueCheck(): (value: string) => boolean {
  const good = new Set<string>()
  return value => {
    if (value.length < LONG_VALUE) return !NO_VALUE.test(value)
    if (good.has(value)) return true
    if (NO_VALUE.test(value)) return false
    if (good.size >= LONG_VALUES_REMEMBERED) good.clear()
    good.add(value)
    return true
  }
}
