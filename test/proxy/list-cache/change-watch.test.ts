import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createChangeScanner } from '../../../src/proxy/list-cache/change-watch.ts'

function scan(chunks: readonly (string | Buffer)[]): string[] {
  const take = createChangeScanner()
  return chunks.flatMap(chunk => [...take(Buffer.from(chunk))])
}
const event = (list: string, slash = '/') =>
  `event: message\ndata: {"jsonrpc":"2.0","method":"notifications${slash}${list}${slash}list_changed"}\n\n`

describe('a notification that a list has changed', () => {
  it.each(['tools', 'prompts', 'resources'])('is seen: %s', list => {
    expect(scan([event(list)])).toEqual([list])
  })

  it.each(['\\/', '\\u002f', '\\u002F'])('is seen where slashes are written as %s', slash => {
    expect(scan([event('tools', slash)])).toEqual(['tools'])
  })

  it('is seen once for each, however the stream is cut', () => {
    const pieces = fc.array(
      fc.constantFrom(event('tools'), event('resources', '\\u002f'), ': quiet\n', 'é\n\n'),
      { minLength: 1, maxLength: 6 },
    )
    const cuts = fc.array(fc.nat(600), { maxLength: 12 })
    fc.assert(
      fc.property(pieces, cuts, (written, at) => {
        const bytes = Buffer.from(written.join(''))
        const ends = [...at.filter(cut => cut < bytes.length), bytes.length].toSorted(
          (a, b) => a - b,
        )
        const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
        const wanted = written.flatMap(text => /(tools|resources)/.exec(text)?.[1] ?? [])
        expect(new Set(scan(chunks))).toEqual(new Set(wanted))
        // Byte by byte nothing falls together, so each is seen on its own.
        expect(scan([...bytes].map(byte => Buffer.from([byte])))).toEqual(wanted)
      }),
    )
  })

  it.each([
    'notifications/progress',
    'notifications/resources/updated',
    'notifications/roots/list_changed',
    'list_changed',
  ])('is not %s', method => {
    expect(scan([`data: {"method":"${method}"}\n\n`])).toEqual([])
  })
})
