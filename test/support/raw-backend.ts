import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A request as its bytes came, and what is wrong with them. */
export type RawRequest = { head: string; method: string; path: string; body: string }

/**
 * A backend that knows no more of HTTP than what this gateway is to send: it keeps every byte, and takes what deviates in the least from that form for no request at all.
 */
export type RawBackend = {
  url: string
  /** Whole requests, in their order. */
  requests: RawRequest[]
  /** What came that is no request, or not yet. */
  leftovers(): string[]
  forget(): void
  close(): Promise<void>
}

const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}'
const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*$/
const REQUEST_LINE = /^(GET|POST|DELETE|HEAD|OPTIONS|PUT|PATCH) (\/[\x21-\x7e]*) HTTP\/1\.1$/

export async function startRawBackend(): Promise<RawBackend> {
  const requests: RawRequest[] = []
  const pending = new Map<Socket, string>()
  const server = createServer(socket => {
    pending.set(socket, '')
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('data', (text: string) => {
      let rest = (pending.get(socket) ?? '') + text
      for (let taken = takeRequest(rest); taken; taken = takeRequest(rest)) {
        requests.push(taken.request)
        rest = taken.rest
        const type = 'Content-Type: application/json'
        socket.write(`HTTP/1.1 200 OK\r\n${type}\r\nContent-Length: ${ANSWER.length}\r\n\r\n`)
        if (taken.request.method !== 'HEAD') socket.write(ANSWER)
      }
      pending.set(socket, rest)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/internal`,
    requests,
    leftovers: () => [...pending.values()].filter(text => text !== ''),
    forget() {
      requests.length = 0
    },
    close: async () => {
      for (const socket of pending.keys()) socket.destroy()
      await once(server.close(), 'close')
    },
  }
}

function takeRequest(text: string): { request: RawRequest; rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [line = '', ...fields] = text.slice(0, end).split('\r\n')
  const [, method, path] = REQUEST_LINE.exec(line) ?? []
  if (method === undefined || path === undefined) return undefined
  if (!fields.every(field => FIELD.test(field))) return undefined
  if (fields.some(field => /^transfer-encoding:/i.test(field))) return undefined
  const lengths = fields.filter(field => /^content-length:/i.test(field))
  const length = Number(
    /^content-length: (0|[1-9]\d*)$/.exec(lengths[0] ?? 'content-length: 0')?.[1],
  )
  const from = end + 4
  if (lengths.length > 1 || !(text.length >= from + length)) return undefined
  const body = text.slice(from, from + length)
  const head = text.slice(0, from)
  return { request: { head, method, path, body }, rest: text.slice(from + length) }
}
