import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mayNameTrace, readTracedMessage } from '../../src/proxy/trace-context.ts'

const read = (text: string) => readTracedMessage(Buffer.from(text))
const NOTHING = { method: undefined, tool: undefined, context: undefined }
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const META = `"_meta":{"traceparent":"${TRACEPARENT}","tracestate":"v=1","baggage":"x"}`

describe('what a message says for its trace', () => {
  test('is its method, its tool, and the context in _meta (MCP SEP-414)', () => {
    const text = `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"export","arguments":{"a":1},${META}}}`
    expect(read(text)).toEqual({
      ...{ method: 'tools/call', tool: 'export' },
      context: { traceparent: TRACEPARENT, tracestate: 'v=1' },
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

  test.each(['x', '', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`])(
    'has no context where that is %j, which cannot be read',
    traceparent => {
      const message = read(JSON.stringify({ method: 'ping', params: { _meta: { traceparent } } }))
      expect(message).toEqual({ ...NOTHING, method: 'ping' })
    },
  )

  test('may be a context only where its name stands in a text that is not too long', () => {
    const may = (text: string) => mayNameTrace(Buffer.from(text))
    expect(may(`{"params":{${META}}}`)).toBe(true)
    expect(may('{"params":{"_meta":{}}}')).toBe(false)
    expect(may(`{"x":"${'x'.repeat(70_000)}","params":{${META}}}`)).toBe(false)
    expect(mayNameTrace(undefined)).toBe(false)
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
