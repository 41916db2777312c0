import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createInjection } from './token-injector.ts'

const FIELD = 'Authorization: Bearer t\r\n'
const REQUESTS: readonly [line: string, rest: string][] = [
  ['POST /a HTTP/1.1\r\n', 'hOsT:  x \r\nContent-Length: 9\r\n\r\nPOST /b \r\n'.slice(0, -1)],
  ['GET /c HTTP/1.1\r\n', 'X-Odd:\tä\r\n\r\n'],
  [
    'POST /d HTTP/1.1\r\n',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\na\r\n0123456789\r\n0\r\n\r\n',
  ],
  ['POST /e HTTP/1.1\r\n', 'content-length:0\r\n\r\n'],
]

describe('the token injector', () => {
  it('adds the field to each request of a connection and changes no other byte, however they come in pieces', () => {
    const before = Buffer.from(REQUESTS.map(([line, rest]) => line + rest).join(''), 'latin1')
    const after = REQUESTS.map(([line, rest]) => line + FIELD + rest).join('')
    fc.assert(
      fc.property(fc.array(fc.nat(before.byteLength)), cuts => {
        const inject = createInjection(() => 't')
        const ends = [...cuts.toSorted((left, right) => left - right), before.byteLength]
        const pieces = ends.map((end, index) => before.subarray(ends[index - 1] ?? 0, end))
        expect(Buffer.concat(pieces.map(inject)).toString('latin1')).toBe(after)
      }),
    )
  })
})
