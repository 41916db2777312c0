/**
 * One instance of an MCP server as a program: the path says what is wrong with it. What it runs it writes to its standard output before it does, so that it is known whatever
 * becomes of the process: `<path> <method> <id>`, and `answered <id>` when all of an answer has left it.
 */
import { writeSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { listen } from '../../src/dev/listen.ts'

type Message = {
  id: string
  method: string
  params?: { arguments?: { ms?: number; streams?: boolean } }
}

const STDOUT = 1
const EVENT_MS = 50
const SLOW_MS = 1000

const server = createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', chunk => chunks.push(chunk))
  req.on('end', () => {
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Message
    writeSync(STDOUT, `${req.url} ${message.method} ${message.id}\n`)
    const act = FAULTS[req.url ?? ''] ?? work
    act(res, message)
  })
})

const FAULTS: Readonly<Record<string, (res: ServerResponse, message: Message) => void>> = {
  '/garbage': res => void res.socket?.end('this is no answer\r\n\r\n'),
  '/half-head': res => void res.socket?.end('HTTP/1.1 200 OK\r\ncontent-le'),
  '/half-body': res =>
    void res.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"jsonrpc"'),
  '/reset': res => void res.socket?.resetAndDestroy(),
  '/unavailable': res => void res.writeHead(503).end(),
  '/slow': (res, message) => void setTimeout(() => answer(res, message), SLOW_MS),
}

function work(res: ServerResponse, message: Message): void {
  const { ms = 0, streams = false } = message.params?.arguments ?? {}
  if (streams || message.method === 'subscriptions/listen') stream(res)
  else setTimeout(() => answer(res, message), ms)
}

function answer(res: ServerResponse, { id }: Message): void {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ jsonrpc: '2.0', id, result: {} }), () => {
    writeSync(STDOUT, `answered ${id}\n`)
  })
}

function stream(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => res.write(`data: ${process.pid}\n\n`), EVENT_MS)
  res.on('close', () => clearInterval(timer))
}

process.stdin.resume().on('end', () => process.exit())
await listen(server, Number(process.env.PORT), '127.0.0.1')
writeSync(STDOUT, 'listening\n')
