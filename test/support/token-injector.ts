import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type TokenInjector = {
  origin: string
  /** From now on, connections go to these origins in turn, and each request gets the token. */
  use(targets: readonly string[], token: string): void
  close(): Promise<void>
}

/**
 * Stands in front of a server for a client that has no token, and adds one to each request behind its request line. Everything else passes as raw bytes, both ways: an HTTP
 * library would mend the very bytes that a conformance suite tests.
 */
export async function startTokenInjector(): Promise<TokenInjector> {
  let token = ''
  let targets: readonly string[] = []
  let turn = 0
  const open = new Set<Socket>()
  const server = createServer(client => {
    const { port, hostname } = new URL(targets[turn++ % targets.length]!)
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const inject = createInjection(() => token)
    client.on('data', chunk => upstream.write(inject(chunk)))
    upstream.pipe(client)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    use: (origins, bearer) => {
      targets = origins
      token = bearer
    },
    close: async () => {
      const closed = once(server.close(), 'close')
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Finds the requests in the bytes of one connection, which may come in any pieces. */
export function createInjection(token: () => string): (chunk: Buffer) => Buffer {
  let head = ''
  /** Bytes of the body that are still to come; `chunked` where only the body itself says so. */
  let body: number | 'chunked' = 0
  let tail = ''

  const passHead = (rest: string): [passed: string, left: string] => {
    head += rest
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return ['', '']
    const whole = head.slice(0, end + 4)
    const left = head.slice(end + 4)
    head = ''
    body = lengthOf(whole)
    const line = whole.indexOf('\r\n') + 2
    return [`${whole.slice(0, line)}Authorization: Bearer ${token()}\r\n${whole.slice(line)}`, left]
  }

  const passBody = (rest: string): [passed: string, left: string] => {
    if (body !== 'chunked') {
      const passed = rest.slice(0, body)
      body -= passed.length
      return [passed, rest.slice(passed.length)]
    }
    // Enough for suites, whose chunks never hold this themselves.
    const seen = tail + rest
    const end = seen.indexOf('0\r\n\r\n')
    if (end === -1) {
      tail = seen.slice(-4)
      return [rest, '']
    }
    const passed = rest.slice(0, end + 5 - tail.length)
    tail = ''
    body = 0
    return [passed, rest.slice(passed.length)]
  }

  return chunk => {
    let left = chunk.toString('latin1')
    let out = ''
    while (left !== '') {
      const [passed, next] = body === 0 ? passHead(left) : passBody(left)
      out += passed
      left = next
    }
    return Buffer.from(out, 'latin1')
  }
}

function lengthOf(head: string): number | 'chunked' {
  if (/^transfer-encoding:.*chunked/im.test(head)) return 'chunked'
  return Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
}
