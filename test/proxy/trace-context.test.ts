import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readTracedMessage } from '../../src/proxy/trace-context.ts'

const read = (text: string) => readTracedMessage(Buffer.from(text))
const NOTHING = { method: undefined, tool: undefined, context: undefined }
const META = '"_meta":{"traceparent":"00-a-b-01","tracestate":"v=1","baggage":"x"}'

describe('what a message says for its trace', () => {
  test('is its method, its tool, and the context in _meta (MCP SEP-414)', () => {
    const text = `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"export","arguments":{"a":1},${META}}}`
    expect(read(text)).toEqual({
      ...{ method: 'tools/call', tool: 'export' },
      context: { traceparent: '00-a-b-01', tracestate: 'v=1' },
    })
    expect(read('{"method":"resources/read","params":{"name":"x","uri":"file:///a"}}')).toEqual({
      ...{ ...NOTHING, method: 'resources/read' },
    })
  })

  test.each([
    ['several messages', `[{"method":"ping","params":{${META}}}]`],
    ['no JSON', 'method'],
    ['nothing', ''],
    ['what is too long to be read for it', `{"method":"ping","x":"${'x'.repeat(70_000)}"}`],
    ['other kinds of values', '{"method":1,"params":[{"_meta":"x"}]}'],
  ])('is nothing for %s', (_what, text) => {
    expect(read(text)).toEqual(NOTHING)
  })

  test('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), (text, json) => {
        read(text)
        read(`{"method":"tools/call","params":${json}}`)
        read(json)
      }),
    )
  })
})
