import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { type RoundRobin, startRoundRobin } from './round-robin.ts'
import { waitFor } from './wait-for.ts'

const replicas: Listening[] = []
const gone: string[] = []
let front: RoundRobin

const answer =
  (name: string): RequestListener =>
  async (incoming, response) => {
    response.on('close', () => response.writableFinished || gone.push(name))
    if (incoming.url === '/stream') return void response.write('first\n')
    if (incoming.url === '/break') {
      response.write('part')
      return void setImmediate(() => response.destroy())
    }
    const chunks = await incoming.toArray()
    response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Name', name])
    response.end(`${incoming.headers.host} ${Buffer.concat(chunks)}`)
  }

beforeAll(async () => {
  for (const name of ['a', 'b', 'c']) {
    replicas.push(await listen(createServer(answer(name)), 0, '127.0.0.1'))
  }
  front = await startRoundRobin(replicas.map(({ origin }) => origin))
})

afterAll(async () => {
  await Promise.all([front, ...replicas].map(server => server.close()))
})

const nameOf = async () => (await fetch(front.origin)).headers.get('x-name')

it('sends each request of one connection to the next replica, and one to where it is told', async () => {
  expect([await nameOf(), await nameOf(), await nameOf(), await nameOf()]).toEqual([
    'a',
    'b',
    'c',
    'a',
  ])
  front.next(0)
  expect([await nameOf(), await nameOf()]).toEqual(['a', 'b'])
  expect(front.trace.map(({ replica }) => replica)).toEqual([0, 1, 2, 0, 0, 1])
})

it('passes over a replica that was taken out, and answers 503 where none is left', async () => {
  front.next(0)
  front.remove(1)
  expect([await nameOf(), await nameOf(), await nameOf()]).toEqual(['a', 'c', 'a'])
  front.remove(0)
  front.remove(2)
  expect((await fetch(front.origin)).status).toBe(503)
  for (const replica of [0, 1, 2]) front.restore(replica)
})

it('keeps Host, bodies and repeated fields', async () => {
  const response = await fetch(front.origin, { method: 'POST', body: 'hello' })
  expect(await response.text()).toBe(`${new URL(front.origin).host} hello`)
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
})

it('streams, and tells the replica when the client has gone', async () => {
  const outgoing = request(`${front.origin}/stream`).end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const [chunk] = await once(incoming, 'data')
  expect(String(chunk)).toBe('first\n')
  gone.length = 0
  outgoing.destroy()
  await waitFor(() => gone.length === 1, { what: 'the replica to see it', timeoutMs: 1000 })
})

it('breaks the answer where the replica breaks it', async () => {
  const response = await fetch(`${front.origin}/break`)
  await expect(response.text()).rejects.toThrow()
})
