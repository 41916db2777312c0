import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concealTools } from '../../../src/proxy/answers/tool-list.ts'

const conceals = (tool: string) => tool.startsWith('debug')
const SHOWN = '{ "name": "add", "inputSchema": {"maximum":12345678901234567890, "default": 1.0} }'
const message = (tools: string, more = '') =>
  `{"jsonrpc":"2.0","id":1,"result":{"tools":${tools}${more},"nextCursor":"x"}}`

describe('a list of tools', () => {
  it.each([
    ['one in front', `[{"name":"debug"}, ${SHOWN}]`, `[${SHOWN}]`],
    ['one behind', `[${SHOWN} ,{"title":"x","name":"debug_2"}]`, `[${SHOWN}]`],
    ['all', '[{"name":"debug"},{"name":"debug2"}]', '[]'],
    ['one with an escaped name', String.raw`[{"name":"d\u0065bug"}]`, '[]'],
    ['one that has two names', '[{"name":"debug","name":"add"}]', '[]'],
  ])('loses %s, and not a byte of the rest', (_, tools, left) => {
    expect(concealTools(message(tools), conceals)).toBe(message(left))
  })

  it('is no longer public when it has lost something', () => {
    const before = message('[{"name":"debug"}]', ',"ttlMs":1,"cacheScope":"public"')
    const after = message('[]', ',"ttlMs":1,"cacheScope":"private"')
    expect(concealTools(before, conceals)).toBe(after)
  })

  it('is found in each message of a batch', () => {
    const before = `[${message('[{"name":"debug"}]')}, {"id":2,"result":{}}]`
    expect(concealTools(before, conceals)).toBe(`[${message('[]')}, {"id":2,"result":{}}]`)
  })

  it.each([
    ['a list without hidden tools', message(`[ ${SHOWN} ]`, ',"cacheScope":"public"')],
    ['an error', '{"id":1,"error":{"code":-32601,"tools":[{"name":"debug"}]}}'],
    [
      'a tool call that speaks of tools',
      '{"id":1,"result":{"content":[{"tools":[{"name":"debug"}]}]}}',
    ],
    ['tools that are no list', '{"id":1,"result":{"tools":{"name":"debug"}}}'],
    ['no object', ' 12 '],
  ])('leaves %s as it is', (_, text) => {
    expect(concealTools(text, conceals)).toBe(text)
  })

  it('cannot be told from what is not JSON', () => {
    expect(concealTools('{"result":', conceals)).toBeUndefined()
  })

  it('has after it exactly the tools that a parser would keep', () => {
    const tool = fc.record({
      name: fc.constantFrom('add', 'debug', 'debugger', 'x'),
      more: fc.jsonValue(),
    })
    fc.assert(
      fc.property(fc.array(tool), fc.constantFrom(undefined, 2), (tools, indent) => {
        const before = { jsonrpc: '2.0', id: 1, result: { tools } }
        const after = JSON.parse(concealTools(JSON.stringify(before, null, indent), conceals)!)
        const kept = tools.filter(({ name }) => !conceals(name))
        expect(after).toEqual(JSON.parse(JSON.stringify({ ...before, result: { tools: kept } })))
      }),
    )
  })
})
