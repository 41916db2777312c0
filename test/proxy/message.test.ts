import { describe, expect, it } from 'vitest'
import { readMessages } from '../../src/proxy/message.ts'

const read = (body: string | Buffer, fields: string[] = []) =>
  readMessages(Buffer.from(body as string), fields)
const call = (tool: string, more = '') =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(tool)}${more}}}`
const MODERN = ['MCP-Protocol-Version', '2026-07-28']
const encoded = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`

describe('what a request asks for', () => {
  it.each([
    ['a call', call('add'), [{ method: 'tools/call', tool: 'add' }]],
    ['another request', '{"id":1,"method":"tools/list"}', [{ method: 'tools/list' }]],
    [
      'a notification',
      '{"method":"notifications/initialized"}',
      [{ method: 'notifications/initialized' }],
    ],
    ['nothing, in a response', '{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}', []],
    [
      'all of a batch',
      `[${call('a')}, ${call('b')}]`,
      [
        { method: 'tools/call', tool: 'a' },
        { method: 'tools/call', tool: 'b' },
      ],
    ],
    ['nothing, in what is no message', '[1,"x",null]', []],
    [
      'a call whose arguments look like one',
      call('add', ',"arguments":{"name":"x","method":"y"}'),
      [{ method: 'tools/call', tool: 'add' }],
    ],
    [
      'a tool whose name is escaped',
      String.raw`{"method":"tools\/call","params":{"name":"\u0061dd"}}`,
      [{ method: 'tools/call', tool: 'add' }],
    ],
  ])('is read from the body: %s', (_, body, asks) => {
    expect(read(body)).toEqual({ outcome: 'read', asks })
  })

  it.each([
    ['no JSON', 'tools/call'],
    ['nothing', ''],
    [
      'bytes that are not UTF-8',
      Buffer.from([...Buffer.from(call('add').slice(0, -4)), 0xff, 0x22, 0x7d, 0x7d]),
    ],
    ['a byte order mark', `\ufeff${call('add')}`],
    ['UTF-16', Buffer.from(call('add'), 'utf16le')],
    ['a tool twice', call('add', ',"name":"export"')],
    ['a tool in two spellings', call('add', ',"Name":"export"')],
    ['a tool twice, once escaped', call('add', String.raw`,"n\u0061me":"export"`)],
    ['a tool in another spelling alone', '{"method":"tools/call","params":{"NAME":"export"}}'],
    ['parameters twice', '{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}'],
    [
      'parameters that some fold to the same',
      '{"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}',
    ],
    ['a method twice', '{"method":"ping","method":"tools/call","params":{"name":"b"}}'],
    ['a method in another spelling', '{"Method":"tools/call","params":{"name":"b"}}'],
    ['a method that is no text', '{"method":["tools/call"],"params":{"name":"b"}}'],
    ['a call of nothing', '{"method":"tools/call","params":{}}'],
    ['a call by position', '{"method":"tools/call","params":["export"]}'],
    ['a tool that is no text', '{"method":"tools/call","params":{"name":{"x":1}}}'],
    ['one message of a batch that cannot', `[${call('a')},{"method":"tools/call"}]`],
  ])('is not guessed from %s', (_, body) => {
    expect(read(body)).toMatchObject({ outcome: 'unreadable' })
  })

  it.each([
    'application/json; charset=utf-7',
    'application/json;charset="UTF-7"',
    'application/json; charset=utf-8; charset=utf-7',
    'application/json; charset=utf-7; charset=utf-8',
    'application/json; charset=shift_jis',
    String.raw`application/json; charset="utf\-7"`,
    'application/json; charset*=utf-7',
  ])('is not read from a body that is said to be something else than UTF-8: %s', contentType => {
    // To who reads UTF-7 the string ends where `+ACI-` stands, and another method follows.
    const body =
      '{"id":1,"method":"ping","x":"+ACI-,+ACI-method+ACI-:+ACI-tools/call+ACI-,+ACI-y+ACI-:+ACI-"}'
    const unreadable = { outcome: 'unreadable' }
    expect(read(body, ['Content-Type', contentType])).toMatchObject(unreadable)
    const twice = ['content-type', 'application/json', 'content-type', contentType]
    expect(read(body, twice)).toMatchObject(unreadable)
  })

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"; x=y',
    'application/json; charset=utf8',
  ])('is read where the body is said to be UTF-8, or JSON: %s', contentType => {
    const fields = ['Content-Type', contentType]
    expect(read(call('add'), fields)).toMatchObject({ outcome: 'read' })
  })
})

describe('MCP 2026-07-28: header fields and body', () => {
  it.each([
    ['both fields', ['Mcp-Method', 'tools/call', 'Mcp-Name', 'add']],
    ['a name in base64', ['Mcp-Method', 'tools/call', 'Mcp-Name', encoded('add')]],
    ['no fields, which the backend refuses', []],
  ])('agree: %s', (_, fields) => {
    expect(read(call('add'), [...MODERN, ...fields])).toMatchObject({ outcome: 'read' })
  })

  it('agree on a name that ASCII cannot hold', () => {
    const fields = [...MODERN, 'mcp-method', 'tools/call', 'mcp-name', encoded('añadir')]
    expect(read(call('añadir'), fields)).toMatchObject({ outcome: 'read' })
  })

  it.each([
    ['another method', ['Mcp-Method', 'ping', 'Mcp-Name', 'add']],
    ['another tool', ['Mcp-Method', 'tools/call', 'Mcp-Name', 'sub']],
    ['a tool in another case', ['Mcp-Method', 'tools/call', 'Mcp-Name', 'Add']],
    ['another tool in base64', ['Mcp-Method', 'tools/call', 'Mcp-Name', encoded('sub')]],
    ['base64 without padding', ['Mcp-Name', '=?base64?YWRkMQ?=']],
    ['base64 of what is not UTF-8', ['Mcp-Name', '=?base64?/w==?=']],
    ['two names', ['Mcp-Name', 'add', 'Mcp-Name', 'sub']],
  ])('differ: %s', (_, fields) => {
    expect(read(call('add'), [...MODERN, ...fields])).toMatchObject({ outcome: 'mismatch' })
  })

  it.each(['2025-11-25', '2025-03-26', 'DRAFT-2026-v1'])(
    'are not compared for %s, which promises nothing of the fields',
    version => {
      const fields = ['MCP-Protocol-Version', version, 'Mcp-Method', 'ping']
      expect(read(call('add'), fields)).toMatchObject({ outcome: 'read' })
    },
  )

  it('are compared for versions to come', () => {
    const fields = ['mcp-protocol-version', '2027-01-01', 'mcp-method', 'ping']
    expect(read(call('add'), fields)).toMatchObject({ outcome: 'mismatch' })
  })
})
