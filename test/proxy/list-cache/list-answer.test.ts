import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renderList } from '../../../src/proxy/list-cache/give.ts'
import { readListAnswer } from '../../../src/proxy/list-cache/list-answer.ts'
import {
  isKeepable,
  LARGEST_ANSWER_BYTES,
  RecordingAnswer,
  responseIn,
} from '../../../src/proxy/list-cache/recording.ts'

const RESULT = { tools: [{ name: 'a' }], resultType: 'complete', ttlMs: 5000, cacheScope: 'public' }
const answer = (change: Record<string, unknown> = {}, id: unknown = 1) =>
  JSON.stringify({ jsonrpc: '2.0', id, result: { ...RESULT, ...change } })

describe('MCP 2026-07-28, "Caching": an answer is kept', () => {
  it('with its scope and its life', () => {
    expect(readListAnswer(answer(), '1')).toMatchObject({ scope: 'public', ttlMs: 5000 })
    const own = readListAnswer(answer({ cacheScope: 'private' }), '1')
    expect(own).toMatchObject({ scope: 'private' })
  })

  it('and is given to another request as it was, but for its id and the rest of its life', () => {
    const id = fc.oneof(fc.integer(), fc.string())
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4999), id, (tools, age, other) => {
        const read = readListAnswer(answer({ tools, ttlMsNote: 5000 }), '1')
        const given =
          read && renderList({ ...read, askedAt: 100 }, JSON.stringify(other), 100 + age)
        const expected = answer({ tools, ttlMsNote: 5000, ttlMs: 5000 - age }, other)
        expect(JSON.parse(Buffer.from(given ?? '', 'latin1').toString())).toEqual(
          JSON.parse(expected),
        )
      }),
    )
  })

  it('without what its _meta says of one request', () => {
    const serverInfo = { name: 's', version: '1' }
    const read = readListAnswer(
      answer({ _meta: { traceparent: '00-a', 'x/serverInfo': serverInfo, progressToken: 1 } }),
      '1',
    )
    expect(JSON.parse(`${read?.before}0${read?.after}`)).toEqual({
      ...RESULT,
      ttlMs: 0,
      _meta: { 'x/serverInfo': serverInfo },
    })
  })
})

describe('an answer is not kept', () => {
  it.each([
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such cursor"}}'],
    ['an error beside a result', answer().replace('"id"', '"error":{},"id"')],
    ['another id', answer({}, 2)],
    ['an id of another type', answer({}, '1')],
    ['no id', answer().replace('"id":1,', '')],
    ['questions of the backend', answer({ resultType: 'input_required', inputRequests: {} })],
    ['questions, though complete', answer({ inputRequests: {} })],
    ['the state of a conversation', answer({ requestState: 'x' })],
    ['a type that nobody knows', answer({ resultType: 'partial' })],
    ['no type', answer({ resultType: undefined })],
    ['no life', answer({ ttlMs: undefined })],
    ['a life of nothing', answer({ ttlMs: 0 })],
    ['a negative life', answer({ ttlMs: -1 })],
    ['a life that is no number', answer({ ttlMs: '5000' })],
    ['a life that is no integer', answer({ ttlMs: 0.5 })],
    ['a life beyond all bounds', answer({ ttlMs: 1e300 })],
    ['no scope', answer({ cacheScope: undefined })],
    ['a scope that nobody knows', answer({ cacheScope: 'shared' })],
    ['two scopes', answer().replace('"cacheScope"', '"cacheScope":"private","cacheScope"')],
    [
      'two scopes in two cases',
      answer().replace('"cacheScope"', '"CacheScope":"private","cacheScope"'),
    ],
    ['two results', answer().replace('"result"', '"result":{},"result"')],
    ['a result that is no object', '{"jsonrpc":"2.0","id":1,"result":[]}'],
    ['a batch', `[${answer()}]`],
    ['no JSON', 'tools'],
    ['nothing', ''],
  ])('%s', (_, message) => {
    expect(readListAnswer(message, '1')).toBeUndefined()
  })

  it('whatever it is: reading never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), text => void readListAnswer(text, '1')))
  })
})

describe('the head of an answer', () => {
  const head = (status: number, fields: Record<string, string>, change = {}) => ({
    ...{ status, statusText: undefined },
    fields: {
      ...{ passed: Object.entries(fields).flat(), contentType: 'application/json' },
      ...{ contentLength: undefined, hasCacheControl: false, isEncoded: false },
      ...{ namesSession: false, ...change },
    },
  })

  it.each([
    ['JSON', head(200, {})],
    ['an event stream', head(200, {}, { contentType: 'text/event-stream' })],
    [
      'what does not vary for those who ask the same',
      head(200, { Vary: 'Accept-Encoding, Origin' }),
    ],
    ['what event streams usually say', head(200, { 'cache-control': 'no-cache, no-transform' })],
  ])('lets %s be kept', (_, one) => {
    expect(isKeepable(one)).toBe(true)
  })

  it.each([
    ['another status', head(202, {})],
    ['a failure', head(500, {})],
    ['a coded body', head(200, {}, { isEncoded: true })],
    ['a session', head(200, {}, { namesSession: true })],
    ['another type', head(200, {}, { contentType: 'text/html' })],
    ['no type', head(200, {}, { contentType: undefined })],
    ['more than a mebibyte', head(200, {}, { contentLength: 2_000_000 })],
    ['Vary: *', head(200, { vary: '*' })],
    ['Vary by what differs for each user', head(200, { vary: 'accept, Authorization' })],
    ['Vary by where a request came from', head(200, { Vary: 'X-Forwarded-For' })],
    ['Vary by what is not asked', head(200, { Vary: 'CF-Connecting-IP' })],
    ['no-store', head(200, { 'Cache-Control': 'no-store' })],
    ['private', head(200, { 'Cache-Control': 'max-age=5, private' })],
  ])('does not let %s be kept', (_, one) => {
    expect(isKeepable(one)).toBe(false)
  })
})

describe('the response in an event stream', () => {
  const event = (data: string) => `event: message\ndata: ${data}\n\n`
  const progress = '{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'

  it('is found behind notifications and comments, in any line ending', () => {
    const stream = `: hello\n\n${event(progress)}id: 1\ndata:\n\n${event(answer())}`
    expect(responseIn(stream.replace('data:\n', ''))).toBe(answer())
    expect(responseIn(event(answer()).replaceAll('\n', '\r\n'))).toBe(answer())
    expect(responseIn(event(answer()).replaceAll('\n', '\r'))).toBe(answer())
  })

  it('is put together from several lines', () => {
    const spread = JSON.stringify(JSON.parse(answer()), undefined, 1)
    const lines = spread.split('\n').map(line => `data: ${line}\n`)
    expect(responseIn(`${lines.join('')}\n`)).toBe(spread)
  })

  it.each([
    ['two responses', event(answer()) + event(answer())],
    ['an event that is no JSON', event('?') + event(answer())],
    ['an event that is not complete', event(answer()).trimEnd()],
    ['nothing', ''],
  ])('is none where there is %s', (_, stream) => {
    expect(responseIn(stream)).toBeUndefined()
  })
})

describe('an answer that is written down', () => {
  const HEAD = {
    ...{ status: 200, statusText: undefined },
    fields: {
      ...{ passed: [], contentType: 'application/json', contentLength: undefined },
      ...{ hasCacheControl: false, isEncoded: false, namesSession: false },
    },
  }

  function record() {
    const passed: string[] = []
    const messages: (string | undefined)[] = []
    const slow = {
      write: (chunk: Buffer) => {
        passed.push(chunk.toString('latin1'))
        return false
      },
      end: () => void passed.push('end'),
      drop: () => void passed.push('drop'),
    }
    return { passed, messages, answer: new RecordingAnswer(slow, HEAD, one => messages.push(one)) }
  }

  it('passes as it comes, at the backend’s pace, however slowly its client reads', () => {
    const { passed, messages, answer } = record()
    expect(answer.write(Buffer.from('{"a":'))).toBe(true)
    expect(answer.write(Buffer.from('1}'))).toBe(true)
    answer.end()
    expect(passed).toEqual(['{"a":', '1}', 'end'])
    expect(messages).toEqual(['{"a":1}'])
  })

  it('is the client’s again once it is too large', () => {
    const { messages, answer } = record()
    expect(answer.write(Buffer.alloc(LARGEST_ANSWER_BYTES))).toBe(true)
    expect(answer.write(Buffer.alloc(1))).toBe(false)
    expect(answer.write(Buffer.alloc(1))).toBe(false)
    answer.end()
    expect(messages).toEqual([undefined])
  })

  it('is nothing where it breaks off, or is no text', () => {
    const broken = record()
    broken.answer.write(Buffer.from('{}'))
    broken.answer.drop()
    expect(broken).toMatchObject({ passed: ['{}', 'drop'], messages: [] })
    const garbled = record()
    garbled.answer.write(Buffer.from([0x22, 0xff, 0x22]))
    garbled.answer.end()
    expect(garbled.messages).toEqual([undefined])
  })
})
