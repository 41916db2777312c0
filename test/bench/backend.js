// A backend for what nginx cannot do: `node backend.js <port> events|large|idle|lists|mcp`.
import { createServer } from 'node:http'
import { Readable } from 'node:stream'

const [port, kind] = process.argv.slice(2)
const EVENTS = 100
const LARGE_BYTES = 10_000_000
const IDLE_EVERY_MS = 5000
const BLOCK = Buffer.alloc(65_536, 'x')
// nginx gathers what it forwards unless it is told otherwise.
const STREAM = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }
const EVENT = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { message: 'y'.repeat(100) } })}\n\n`

/** One event in each turn of the loop, so that they do not travel as one. */
function sendEvents(res) {
  res.writeHead(200, STREAM)
  let left = EVENTS
  const next = () => {
    left -= 1
    if (left === 0) return res.end(EVENT)
    res.write(EVENT)
    setImmediate(next)
  }
  next()
}

function sendLarge(res) {
  let left = LARGE_BYTES
  const body = new Readable({
    read() {
      const size = Math.min(left, BLOCK.length)
      left -= size
      this.push(size === 0 ? null : BLOCK.subarray(0, size))
    },
  })
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': LARGE_BYTES })
  body.pipe(res)
}

const idle = new Set()
let turn = 0

/** Each stream gets an event that says when it was sent, one after the other, all of them within `IDLE_EVERY_MS`. */
function sendStamps() {
  const streams = [...idle]
  const count = Math.ceil((streams.length * 50) / IDLE_EVERY_MS)
  for (let index = 0; index < count; index += 1) {
    turn += 1
    streams[turn % streams.length]?.write(`data: ${performance.timeOrigin + performance.now()}\n\n`)
  }
}

function holdOpen(res) {
  res.writeHead(200, STREAM).flushHeaders()
  idle.add(res)
  res.on('close', () => idle.delete(res))
}

/** What an ordinary server needs to put its list together. */
const LIST_MS = 5
const TOOLS = Array.from({ length: 30 }, (_, index) => ({
  name: `tool_${index}`,
  description: 'y'.repeat(150),
  inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
}))
const LIST = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: { tools: TOOLS, resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' },
})

function sendList(res) {
  const fields = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(LIST) }
  setTimeout(() => res.writeHead(200, fields).end(LIST), LIST_MS)
}

const RESULTS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'benchmark', version: '1' },
  }),
  'tools/call': () => ({ content: [{ type: 'text', text: 'y'.repeat(230) }] }),
}

/** MCP without sessions, for what speaks it: each call is answered under its own id. */
function answerMessage(res, body) {
  if (body.length === 0) return res.writeHead(405, { allow: 'POST' }).end()
  const { id, method, params } = JSON.parse(body)
  if (id === undefined) return res.writeHead(202).end()
  const text = JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[method](params) })
  const fields = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  res.writeHead(200, fields).end(text)
}

const kinds = {
  ...{ events: sendEvents, large: sendLarge, idle: holdOpen, lists: sendList },
  mcp: answerMessage,
}
const serve = kinds[kind]
if (kind === 'idle') setInterval(sendStamps, 50)
createServer((req, res) => {
  const pieces = []
  req.on('data', piece => pieces.push(piece)).on('end', () => serve(res, Buffer.concat(pieces)))
}).listen(Number(port), '127.0.0.1')
