import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Connector, Exchange, ExchangeFault } from '../../../src/proxy/exchange.ts'
import { createPlainConnector } from '../../../src/proxy/http1/plain-connector.ts'
import { eventually } from '../support.ts'

const SMALL = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'

type Instance = { connector: Connector; sockets: Socket[]; received: string[] }

/** An instance of bare TCP: `answer` is called with each piece of each connection. */
async function setUp(answer: (socket: Socket, piece: string) => void): Promise<Instance> {
  const sockets: Socket[] = []
  const received: string[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', piece => {
      received.push(piece.toString('latin1'))
      answer(socket, piece.toString('latin1'))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connector = createPlainConnector(new URL(`http://127.0.0.1:${port}`), {
    connectTimeoutMs: 1000,
  })
  onTestFinished(async () => {
    await connector.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { connector, sockets, received }
}

type Told = { outcome: 'complete' | ExchangeFault; isSent: boolean; status: number; body: string }

function ask(
  connector: Connector,
  request: { method?: string; path?: string; fields?: string[]; body?: string } = {},
): Promise<Told> {
  const { method = 'POST', path = '/mcp', fields = [], body = '{}' } = request
  const told: Told = { outcome: 'complete', isSent: false, status: 0, body: '' }
  return new Promise(resolve => {
    connector.dispatch(
      {
        ...{ method, path, fields, headersTimeoutMs: 400 },
        body: body === '' ? undefined : Buffer.from(body),
      },
      {
        onStart: () => {
          told.isSent = true
        },
        onHead: status => {
          told.status = status
        },
        onData: chunk => {
          told.body += chunk.toString()
        },
        onEnd: () => resolve(told),
        onFailure: outcome => resolve({ ...told, outcome }),
      },
    )
  })
}

const COMPLETE = { outcome: 'complete', isSent: true, status: 200, body: '{}' }

describe('a connection to an instance', () => {
  test('is used again after a complete answer', async () => {
    const { connector, sockets, received } = await setUp(socket => socket.write(SMALL))
    for (let time = 0; time < 3; time += 1) expect(await ask(connector)).toEqual(COMPLETE)
    expect(sockets).toHaveLength(1)
    expect(received[0]).toMatch(
      /^POST \/mcp HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n\{\}$/,
    )
  })

  test('sends each request its own fields, whatever the one before had at their place', async () => {
    const { connector, received } = await setUp(socket => socket.write(SMALL))
    const all = [
      ['a', '1', 'b', '2'],
      ['a', '1', 'b', '2'],
      ['a', '12', 'b', '2'],
      ['b', '2', 'a', '1'],
      ['b', '2'],
      ['ab', '2', 'a', '1'],
    ]
    for (const fields of all) expect(await ask(connector, { fields })).toEqual(COMPLETE)
    expect(received.map(text => text.split('\r\n').slice(3, -3))).toEqual(
      all.map(fields =>
        fields.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${fields[at + 1]}`] : [])),
      ),
    )
  })

  test('is read again after an answer whose last piece was more than its reader had room for', async () => {
    const { connector, sockets } = await setUp(socket => socket.write(SMALL))
    await new Promise<void>((resolve, reject) => {
      let exchange: Exchange | undefined
      const request = { method: 'POST', path: '/', fields: [], body: undefined }
      connector.dispatch(
        { ...request, headersTimeoutMs: 1000 },
        {
          onStart: started => {
            exchange = started
          },
          onHead: () => {},
          onData: () => exchange?.pause(),
          onEnd: resolve,
          onFailure: reject,
        },
      )
    })
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(sockets).toHaveLength(1)
  })

  test('carries one request at a time', async () => {
    const { connector, sockets } = await setUp(socket => setImmediate(() => socket.write(SMALL)))
    await Promise.all([ask(connector), ask(connector), ask(connector)])
    expect(sockets).toHaveLength(3)
    await Promise.all([ask(connector), ask(connector), ask(connector)])
    expect(sockets).toHaveLength(3)
  })

  test.each([
    ['that ends with a close', 'HTTP/1.1 200 OK\r\n\r\n{}', true],
    ['that says so', SMALL.replace('\r\n', '\r\nConnection: close\r\n'), false],
    ['that allows no time', SMALL.replace('\r\n', '\r\nKeep-Alive: timeout=1\r\n'), false],
    ['of HTTP/1.0', SMALL.replace('/1.1', '/1.0'), false],
    ['after which more comes', `${SMALL}HTTP/1.1 200 OK\r\n`, false],
    ['after which a line end comes', `${SMALL}\r\n`, false],
  ])('is not used again after an answer %s', async (_which, text, ends) => {
    const { connector, sockets } = await setUp(socket => {
      if (ends) socket.end(text)
      else socket.write(text)
    })
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(sockets).toHaveLength(2)
  })

  test.each([
    ['a HEAD', { method: 'HEAD', body: '' }],
    ['a body where none is expected', { method: 'DELETE', body: '{}' }],
  ])('is not used again after %s', async (_what, request) => {
    const { connector, sockets, received } = await setUp(socket =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    )
    await ask(connector, request)
    await ask(connector)
    expect(sockets).toHaveLength(2)
    expect(received[0]).toContain('\r\nconnection: close\r\n')
  })

  test('is not used again where the answer came before the whole request was sent', async () => {
    const { connector, sockets } = await setUp(socket => {
      socket.pause()
      socket.write(SMALL)
    })
    const told = await ask(connector, { body: 'x'.repeat(20_000_000) })
    expect(told).toEqual(COMPLETE)
    await ask(connector)
    expect(sockets).toHaveLength(2)
  })

  test.each([
    ['bytes come', (socket: Socket) => socket.write(SMALL)],
    ['the instance closes', (socket: Socket) => socket.end()],
    ['the instance resets it', (socket: Socket) => socket.resetAndDestroy()],
  ])('is not used again where %s while it is idle', async (_what, happen) => {
    const { connector, sockets } = await setUp(socket => socket.write(SMALL))
    await ask(connector)
    const [first] = sockets
    const closed = once(first!, 'close')
    happen(first!)
    first!.end()
    await closed
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(sockets).toHaveLength(2)
  })

  test('is found out before it is written to where its close has come but was not read yet', async () => {
    const { connector, sockets, received } = await setUp(socket => socket.write(SMALL))
    await ask(connector)
    sockets[0]!.end()
    await once(sockets[0]!, 'finish')
    // Behind this turn's reads, and before the next one's.
    await new Promise(resolve => setImmediate(resolve))
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(sockets).toHaveLength(2)
    expect(received).toHaveLength(2)
  })

  test('is closed after a few seconds of rest', async () => {
    const { connector, sockets } = await setUp(socket => socket.write(SMALL))
    await ask(connector)
    await once(sockets[0]!.resume(), 'end')
  })
})

describe('an exchange', () => {
  test.each([
    ['a path with a space', { path: '/a b' }],
    ['a path with a line end', { path: '/a\r\nx: y' }],
    ['no path', { path: '' }],
    ['a method that is no token', { method: 'GET /x' }],
    ['a name that is no token', { fields: ['a b', 'c'] }],
    ['a value with a line end', { fields: ['authorization', `Bearer ${'x'.repeat(80)}\r\nx: y`] }],
    ['a value with a NUL', { fields: ['a', 'b\0'] }],
    ['a value beyond latin1', { fields: ['a', '\u0100'] }],
    ['a length of its own', { fields: ['Content-Length', '3'] }],
    ['a transfer coding of its own', { fields: ['transfer-encoding', 'chunked'] }],
  ])('with %s is refused unsent', async (_what, request) => {
    const { connector, received } = await setUp(socket => socket.write(SMALL))
    for (const time of ['at first', 'again']) {
      const told = await ask(connector, request)
      expect(told, time).toMatchObject({ outcome: 'malformed', isSent: false })
    }
    expect(await ask(connector)).toEqual(COMPLETE)
    expect(received).toHaveLength(1)
  })

  test.each([
    ['garbage', (socket: Socket) => socket.write('garbage'), 'broken'],
    ['a reset', (socket: Socket) => socket.resetAndDestroy(), 'broken'],
    ['a close', (socket: Socket) => socket.end(), 'broken'],
    ['silence', () => {}, 'late'],
    ['half a head', (socket: Socket) => socket.write(SMALL.slice(0, 30)), 'late'],
  ] as const)(
    'that meets %s fails once, and its connection is gone',
    async (_what, happen, outcome) => {
      const { connector, sockets, received } = await setUp(happen)
      expect(await ask(connector)).toMatchObject({ outcome, isSent: true })
      await eventually(
        () => sockets.every(socket => socket.readableEnded || socket.destroyed),
        'gone',
      )
      expect(received).toHaveLength(1)
    },
  )

  test('that is reset while the close would be its end is not complete', async () => {
    const { connector } = await setUp(socket => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => {
        setTimeout(() => socket.resetAndDestroy(), 50)
      })
    })
    expect(await ask(connector)).toMatchObject({ outcome: 'broken', body: 'half' })
  })

  test('to an address where nobody listens fails unsent', async () => {
    const connector = createPlainConnector(new URL('http://127.0.0.1:1'), {
      connectTimeoutMs: 1000,
    })
    expect(await ask(connector)).toMatchObject({ outcome: 'broken', isSent: false })
    await connector.close()
  })

  test('with an instance that speaks first fails', async () => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.write('220 hello\r\n')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
    })
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const connector = createPlainConnector(url, { connectTimeoutMs: 1000 })
    expect(await ask(connector)).toMatchObject({ outcome: 'broken' })
    await connector.close()
  })

  test('fails when the gateway breaks what is under way', async () => {
    const { connector, received } = await setUp(() => {})
    const asked = ask(connector)
    await eventually(() => received.length > 0, 'it is under way')
    await connector.close()
    expect(await asked).toMatchObject({ outcome: 'broken', isSent: true })
  })

  test('brings chunks that arrive together as one', async () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n'
    const { connector } = await setUp(socket => socket.write(text))
    const chunks: string[] = []
    await new Promise<void>(resolve => {
      const request = {
        method: 'POST',
        path: '/',
        fields: [],
        body: undefined,
        headersTimeoutMs: 1000,
      }
      connector.dispatch(request, {
        onStart: () => {},
        onHead: () => {},
        onData: chunk => chunks.push(chunk.toString()),
        onEnd: resolve,
        onFailure: () => resolve(),
      })
    })
    expect(chunks).toEqual(['onetwo'])
  })
})
