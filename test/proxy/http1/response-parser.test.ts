import { describe, expect, test } from 'vitest'
import { readOurs } from './readers.ts'

const read = (text: string, method: 'GET' | 'HEAD' = 'GET') =>
  readOurs(method, [Buffer.from(text, 'latin1')])
const lines = (...all: string[]): string => all.join('\r\n')
const OK = 'HTTP/1.1 200 OK'
const CHUNKED = 'Transfer-Encoding: chunked'

describe('an answer is complete', () => {
  test.each([
    ['after its declared length', lines(OK, 'Content-Length: 2', '', '{}'), '{}', true],
    ['after its last chunk', chunked('2', '{}', '0', '', ''), '{}', true],
    ['after its trailers', chunked('2', '{}', '0', 'x: 1', '', ''), '{}', true],
    ['at the close where nothing is declared', lines(OK, '', 'all'), 'all', false],
    ['at once with a length of nothing', lines(OK, 'Content-Length: 0', '', ''), '', true],
    ['at once as a 204', lines('HTTP/1.1 204 No Content', '', ''), '', true],
    ['at once as a 304', lines('HTTP/1.1 304 No', 'Content-Length: 9', '', ''), '', true],
    [
      'after informational ones',
      lines('HTTP/1.1 103 x', '', OK, 'Content-Length: 0', '', ''),
      '',
      true,
    ],
    ['also of HTTP/1.0', lines('HTTP/1.0 200 OK', 'Content-Length: 1', '', 'a'), 'a', false],
    [
      'though the connection ends',
      lines(OK, 'connection: x, Close', 'content-length: 0', '', ''),
      '',
      false,
    ],
    ['though more follows', lines(OK, 'Content-Length: 2', '', '{}HTTP'), '{}', false],
  ])('%s', (_when, text, body, keeps) => {
    expect(read(text)).toMatchObject({ outcome: 'complete', body, keeps })
  })

  test('at once where a HEAD was asked, whatever its head declares', () => {
    const text = lines(OK, 'Content-Length: 10', '', '')
    expect(read(text, 'HEAD')).toMatchObject({ outcome: 'complete', status: 200, body: '' })
  })

  test('with fields as they came, but for the white space around their values', () => {
    const text = lines(OK, 'X-One:1', 'x-one: \t two words \t', 'Empty:', 'l: \xe9', '', '')
    const fields = ['X-One', '1', 'x-one', 'two words', 'Empty', '', 'l', '\xe9']
    expect(read(text).fields).toEqual(fields)
  })
})

describe('an answer after another one', () => {
  const answer = (...fields: string[]) => lines(OK, ...fields, '', '')
  test.each([
    ['the same', answer('A: 1', 'Content-Length: 0'), ['A', '1', 'Content-Length', '0'], true],
    ['one whose field goes on', answer('A: 12', 'Content-Length: 0'), ['A', '12'], true],
    ['one whose field ends before', answer('A: ', 'Content-Length: 0'), ['A', ''], true],
    ['one with its fields in another order', answer('Content-Length: 0', 'A: 1'), undefined, true],
    ['one with a field before', answer('B: 2', 'A: 1', 'Content-Length: 0'), ['B', '2'], true],
    ['one with fewer fields', answer('Content-Length: 0'), ['Content-Length', '0'], true],
    ['one that ends the connection', answer('Connection: close', 'Content-Length: 0'), [], false],
  ])('is read as if it were the first: %s', (_which, text, fields, keeps) => {
    for (let time = 0; time < 3; time += 1) {
      read(answer('A: 1', 'Content-Length: 0'))
      const seen = read(text)
      expect(seen).toMatchObject({ outcome: 'complete', keeps })
      expect(seen.fields).toEqual(expect.arrayContaining(fields ?? []))
    }
  })

  test.each([
    ['a second length', answer('A: 1', 'Content-Length: 0', 'Content-Length: 0')],
    ['chunks beside the length', answer('A: 1', 'Content-Length: 0', CHUNKED)],
    ['a length that is none', answer('A: 1', 'Content-Length: 0x')],
    ['a name that is none', answer('A : 1', 'Content-Length: 0')],
  ])('is refused as if it were the first: with %s', (_what, text) => {
    for (let time = 0; time < 3; time += 1) {
      read(answer('A: 1', 'Content-Length: 0'))
      expect(read(text).outcome).toBe('broken')
    }
  })
})

describe('an answer is refused', () => {
  test.each([
    ['no HTTP', 'hello'],
    ['a version of HTTP/2', lines('HTTP/2.0 200 OK', '', '')],
    ['a version of HTTP/1.2', lines('HTTP/1.2 200 OK', '', '')],
    ['a status of two digits', lines('HTTP/1.1 20 OK', '', '')],
    ['a status of four digits', lines('HTTP/1.1 2000 OK', '', '')],
    ['a status below 100', lines('HTTP/1.1 099 OK', '', '')],
    ['a switch of protocols', lines('HTTP/1.1 101 Switching', 'Upgrade: x', '', '')],
    [
      'informational answers without end',
      lines('HTTP/1.1 103 x', '', '').repeat(20) + lines(OK, '', ''),
    ],
    ['a line that ends in LF alone', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['a line that ends in CR alone', 'HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n'],
    ['an empty line of LF alone', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n'],
    ['an empty line before the status', lines('', OK, 'Content-Length: 0', '', '')],
    ['a NUL in a value', lines(OK, 'a: \0', '', '')],
    ['a DEL in a value', lines(OK, 'a: \x7f', '', '')],
    ['a folded line', lines(OK, 'a: b', ' c', '', '')],
    ['a field without a colon', lines(OK, 'a', 'b: c', '', '')],
    ['a field without a name', lines(OK, ': a', '', '')],
    ['white space before the colon', lines(OK, 'Content-Length : 0', '', '')],
    ['two lengths', lines(OK, 'Content-Length: 2', 'content-length: 2', '', '{}')],
    ['a list of lengths', lines(OK, 'Content-Length: 2, 2', '', '{}')],
    ['a signed length', lines(OK, 'Content-Length: +2', '', '{}')],
    ['a negative length', lines(OK, 'Content-Length: -2', '', '{}')],
    ['a length in hex', lines(OK, 'Content-Length: 0x2', '', '{}')],
    ['an empty length', lines(OK, 'Content-Length:', '', '')],
    ['a length beyond counting', lines(OK, `Content-Length: ${'9'.repeat(16)}`, '', '')],
    ['a length and chunks', lines(OK, 'Content-Length: 2', `${CHUNKED}`, '', '0', '', '')],
    ['chunks and a length', lines(OK, `${CHUNKED}`, 'Content-Length: 2', '', '0', '', '')],
    ['two transfer codings', lines(OK, 'Transfer-Encoding: gzip, chunked', '', '0', '', '')],
    ['another transfer coding', lines(OK, 'Transfer-Encoding: identity', '', '')],
    ['chunks twice', lines(OK, CHUNKED, CHUNKED, '', '0', '', '')],
    ['chunks of a 1xx', lines('HTTP/1.1 103 x', CHUNKED, '', OK, '', '')],
    ['a chunk size that is none', chunked('g', '')],
    ['a chunk without a size', chunked('', '{}', '0', '', '')],
    ['a signed chunk size', chunked('+2', '{}', '0', '', '')],
    ['a chunk size with white space', chunked('2 ', '{}', '0', '', '')],
    ['a chunk extension', chunked('2;a=b', '{}', '0', '', '')],
    ['a chunk size beyond counting', chunked('f'.repeat(14), '')],
    ['a chunk that is longer than it says', chunked('2', '{}}', '0', '', '')],
    ['a chunk that ends in LF alone', `${chunked('2', '{}')}\n0\r\n\r\n`],
    ['a length among the trailers', chunked('0', 'Content-Length: 2', '', '')],
    ['a folded trailer', chunked('0', 'a: b', ' c', '', '')],
    ['a head without end', `${OK}\r\n${'a: b\r\n'.repeat(3000)}`],
    ['trailers without end', chunked('0', 'a: b\r\n'.repeat(3000))],
    ['a length that is cut short', lines(OK, 'Content-Length: 3', '', '{}')],
    ['chunks that are cut short', chunked('2', '{}', '')],
    ['a head that is cut short', lines(OK, 'Content-Length: 0', '')],
    ['nothing at all', ''],
  ])('for %s', (_what, text) => {
    expect(read(text).outcome).toBe('broken')
  })
})

function chunked(...rest: string[]): string {
  return lines(OK, 'transfer-encoding: Chunked', '', ...rest)
}
