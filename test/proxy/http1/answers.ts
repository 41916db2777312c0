import fc from 'fast-check'
import type { Method } from './readers.ts'

/** An answer as bytes (latin1), and to what it answers. */
export type Answer = { method: Method; text: string }

const token = fc.string({
  unit: fc.constantFrom(..."abcXYZ019-_!#$%&'*+.^`|~"),
  minLength: 1,
  maxLength: 12,
})
const value = fc
  .string({ unit: fc.constantFrom(...'abc 019\t,;:="/()\x80\xff\xe9'), maxLength: 20 })
  .map(text => text.trim())
const space = fc.constantFrom('', ' ', '  ', '\t')
const anyCase = (text: string) =>
  fc.constantFrom(text, text.toLowerCase(), text.toUpperCase(), text.replace('-', '-'))
const line = (name: fc.Arbitrary<string>, content: fc.Arbitrary<string>) =>
  fc
    .tuple(name, space, content, space)
    .map(([n, before, v, after]) => `${n}:${before}${v}${after}\r\n`)
/** Ours takes a field that decides about framing in its usual form only. */
const framingLine = (name: fc.Arbitrary<string>, content: fc.Arbitrary<string>) =>
  fc
    .tuple(name, fc.constantFrom('', ' '), content)
    .map(([n, before, v]) => `${n}:${before}${v}\r\n`)

const harmless = line(
  fc.oneof(
    token.map(name => `x-${name}`),
    anyCase('Content-Type'),
    anyCase('Date'),
  ),
  value,
)
const connection = line(anyCase('Connection'), fc.constantFrom('keep-alive', 'close', 'x-own'))
const keepAlive = line(anyCase('Keep-Alive'), fc.constantFrom('timeout=5', 'timeout=0', 'max=1'))
const fields = fc
  .tuple(
    fc.array(harmless, { maxLength: 4 }),
    fc.option(connection, { nil: '' }),
    fc.option(keepAlive, { nil: '' }),
  )
  .map(([lines, ...more]) => [...lines, ...more].join(''))

const body = fc.string({ unit: fc.constantFrom(...'ab\r\n0:{}\x00\xff'), maxLength: 60 })

const statusLine = fc
  .tuple(
    fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    fc.constantFrom(200, 200, 200, 202, 204, 206, 304, 401, 404, 413, 500, 599),
    fc.constantFrom(' OK', ' Own words', ' ', '', ' caf\xe9'),
  )
  .map(([version, status, reason]) => `HTTP/${version} ${status}${reason}\r\n`)

const sized = body.chain(text =>
  framingLine(anyCase('Content-Length'), fc.constant(String(text.length))).map(field => [
    field,
    text,
  ]),
)
const chunk = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.boolean(), body)
  .filter(([, , text]) => text !== '')
  .map(([zeros, isUpper, text]) => {
    const hex = text.length.toString(16)
    return `${'0'.repeat(zeros)}${isUpper ? hex.toUpperCase() : hex}\r\n${text}\r\n`
  })
const chunked = fc
  .tuple(
    framingLine(anyCase('Transfer-Encoding'), anyCase('chunked')),
    fc.array(chunk, { maxLength: 5 }),
    fc.constantFrom('0', '00', '000'),
    fc.array(harmless, { maxLength: 2 }),
  )
  .map(([field, chunks, last, trailers]) => [
    field,
    `${chunks.join('')}${last}\r\n${trailers.join('')}\r\n`,
  ])
const untilClose = body.map(text => ['', text])

const method = fc.constantFrom<Method>('POST', 'POST', 'GET', 'HEAD')
const informational = fc.constantFrom(
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n',
  'HTTP/1.1 102 Processing\r\n\r\n',
)

/** Answers that keep to the grammar, in every framing, with a head that says nothing unusual. */
export const goodAnswer: fc.Arbitrary<Answer> = fc
  .tuple(
    method,
    fc.array(informational, { maxLength: 2 }),
    statusLine,
    fields,
    fc.oneof(sized, chunked, untilClose),
    fields,
  )
  .map(([asked, before, status, first, [framing = '', content = ''], second]) => {
    const isBodiless = asked === 'HEAD' || / (204|304)/.test(status)
    const head = `${status}${first}${framing}${second}\r\n`
    return { method: asked, text: before.join('') + head + (isBodiless ? '' : content) }
  })

const oddity = fc.constantFrom(
  ...['\r', '\n', '\r\n', '\r\n\r\n', ' ', '\t', ':', '\0', '\x7f', '\x80', ',', ';', '-', '+'],
  ...[
    '0',
    '1',
    '5',
    'a',
    'F',
    'g',
    'HTTP/1.1 200 OK\r\n\r\n',
    '0\r\n\r\n',
    '\r\n folded',
    ';ext=1',
  ],
  ...['Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'Content-Length: +3\r\n'],
  ...['Transfer-Encoding: gzip, chunked\r\n', 'Transfer-Encoding: identity\r\n', 'A : b\r\n'],
  ...['Content-Length: 3, 3\r\n', 'Content_Length: 3\r\n', 'Upgrade: h2c\r\n', ': empty\r\n'],
  ...['Transfer-Encoding: \x0bchunked\r\n', 'Transfer-Encoding:chunked , \r\n'],
)
const damage = fc.tuple(
  fc.nat({ max: 400 }),
  fc.constantFrom('insert', 'insert', 'replace', 'remove', 'cut', 'line'),
  oddity,
)

/** Answers with up to three damages anywhere: bytes put in, taken out, replaced, whole lines added, the end cut off. */
export const damagedAnswer: fc.Arbitrary<Answer> = fc
  .tuple(goodAnswer, fc.array(damage, { minLength: 1, maxLength: 3 }))
  .map(([answer, damages]) => ({
    method: answer.method,
    text: damages.reduce((text, [where, how, what]) => hurt(text, where, how, what), answer.text),
  }))

function hurt(text: string, where: number, how: string, what: string): string {
  const at = where % (text.length + 1)
  if (how === 'insert') return text.slice(0, at) + what + text.slice(at)
  if (how === 'replace') return text.slice(0, at) + what + text.slice(at + what.length)
  if (how === 'remove') return text.slice(0, at) + text.slice(at + 1)
  if (how === 'cut') return text.slice(0, at)
  const lineEnd = text.indexOf('\r\n', at)
  return lineEnd === -1 ? text : `${text.slice(0, lineEnd + 2)}${what}${text.slice(lineEnd + 2)}`
}

/** Where an answer may be cut into the pieces that arrive. */
export const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 4 })

export function cut(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  const places = [0, ...at.map(place => place % (bytes.length + 1)), bytes.length]
  places.sort((one, other) => one - other)
  return places
    .slice(1)
    .map((place, index) => bytes.subarray(places[index], place))
    .filter(notEmpty)
}

function notEmpty(piece: Buffer): boolean {
  return piece.length > 0
}
