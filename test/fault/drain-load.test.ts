/** A process that is told to stop while clients call and listen. */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listen } from '../../src/dev/listen.ts'
import { type Edge, startEdge } from '../support/edge.ts'
import { waitFor } from '../support/wait-for.ts'
import type { Session } from './client.ts'

const STREAMS = 40
const CALLERS = 8
const DELAY_MS = 500
const DEADLINE_MS = 10_000
/** Half of the deadline. */
const SPREAD_MS = 5000

let backend: Awaited<ReturnType<typeof startBackend>>
let edge: Edge
let session: Session
beforeEach(async () => {
  backend = await startBackend()
  edge = await startEdge([backend.url], {
    drain: { delay: `${DELAY_MS}ms`, deadline: `${DEADLINE_MS}ms` },
  })
  session = await edge.signIn()
})
afterEach(async () => {
  await edge?.close()
  await backend?.close()
})

describe('SIGTERM under load', () => {
  it('loses no call, and ends streams one by one, each as its version of the protocol wants it', async () => {
    const streams = await Promise.all(Array.from({ length: STREAMS }, (_, id) => openStream(id)))
    const callers = Array.from({ length: CALLERS }, () => callUntilRefused())
    await waitFor(() => backend.answered() > 100, { what: 'load', timeoutMs: 15_000 })
    const slow = call(new Agent(), '?ms=3000')
    await waitFor(() => backend.isSlowUnderWay(), { what: 'the slow call to arrive' })
    const signalledAt = performance.now()
    const exited = edge.gateway.stop()
    await waitFor(async () => (await fetch(`${edge.gateway.opsOrigin}/readyz`)).status === 503, {
      what: 'readiness to be off',
    })
    // Who has not noticed yet still gets in.
    if (performance.now() - signalledAt < DELAY_MS / 2) {
      expect(await call(new Agent())).toMatchObject({ status: 200 })
    }
    const tallies = await Promise.all(callers)
    expect(tallies.flatMap(({ lost }) => lost)).toEqual([])
    expect(await slow).toMatchObject({ status: 200 })
    const ends = (await Promise.all(streams.map(({ ended }) => ended))).map(at => at - signalledAt)
    expect(await exited).toBe(0)
    // Every call that the backend has answered was answered to its caller.
    expect(backend.answered()).toBeGreaterThanOrEqual(sum(tallies.map(({ good }) => good)))
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(DELAY_MS)
    expect(Math.max(...ends)).toBeLessThan(DELAY_MS + DEADLINE_MS)
    expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(SPREAD_MS * 0.7)
    expect(mostWithin(ends, 1000)).toBeLessThan(STREAMS / 2)
    for (const { text, farewell } of streams) {
      expect(text()).toMatch(/^(data: \d+\n\n|:\n)+/)
      expect(text().endsWith(farewell)).toBe(true)
    }
  }, 60_000)

  it('cuts a call that does not end at the deadline, and not before', async () => {
    const endless = call(new Agent(), '?ms=600000')
    const broken = expect(endless).rejects.toThrow('socket hang up')
    await waitFor(() => backend.isSlowUnderWay(), { what: 'the call to arrive' })
    const signalledAt = performance.now()
    expect(await edge.gateway.stop()).toBe(0)
    await broken
    const took = performance.now() - signalledAt
    expect(took).toBeGreaterThanOrEqual(DELAY_MS + DEADLINE_MS - 50)
    expect(took).toBeLessThan(DELAY_MS + DEADLINE_MS + 5000)
  }, 60_000)
})

/** Answers calls after a while, and sends an event to each stream now and then. */
async function startBackend() {
  let [answered, slow] = [0, 0]
  const streams = new Set<ServerResponse>()
  const server = createServer((req, res) => {
    req.resume()
    if (req.method === 'GET' || req.headers['mcp-method'] === 'subscriptions/listen') {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 0\n\n')
      streams.add(res)
      res.on('close', () => streams.delete(res))
      return
    }
    const ms = Number(
      new URL(req.url ?? '', 'http://a').searchParams.get('ms') ?? Math.random() * 20,
    )
    if (ms > 1000) slow += 1
    setTimeout(() => {
      answered += 1
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":1}')
    }, ms)
  })
  const events = setInterval(() => {
    for (const res of streams) res.write('data: 1\n\n')
  }, 300)
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  return {
    url: `${origin}/mcp`,
    answered: () => answered,
    isSlowUnderWay: () => slow > 0,
    close: async () => {
      clearInterval(events)
      server.closeAllConnections()
      await close()
    },
  }
}

function ask(
  agent: Agent,
  method: string,
  search: string,
  fields: Record<string, string>,
  body = '',
) {
  const req = request(`${edge.gateway.origin}/crm/mcp${search}`, {
    ...{ agent, method },
    headers: {
      authorization: `Bearer ${session.accessToken}`,
      accept: 'application/json, text/event-stream',
      'content-length': body.length,
      ...fields,
    },
  })
  req.end(body)
  return once(req, 'response') as Promise<[IncomingMessage]>
}

async function call(agent: Agent, search = ''): Promise<{ status: number | undefined }> {
  const [res] = await ask(agent, 'POST', search, {}, '{"jsonrpc":"2.0","id":1,"method":"ping"}')
  for await (const _ of res);
  return { status: res.statusCode }
}

/** Half of them as the older versions listen, half as the newer do. */
async function openStream(id: number) {
  const isModern = id % 2 === 0
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'subscriptions/listen' })
  const [res] = await (isModern
    ? ask(new Agent(), 'POST', '', { 'mcp-method': 'subscriptions/listen' }, body)
    : ask(new Agent(), 'GET', '', {}))
  expect(res.statusCode).toBe(200)
  let text = ''
  res.on('data', chunk => {
    text += chunk
  })
  const ended = once(res, 'end').then(() => performance.now())
  const meta = `{"io.modelcontextprotocol/subscriptionId":${id}}`
  const result = `{"resultType":"complete","_meta":${meta}}`
  const farewell = isModern
    ? `event: message\ndata: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`
    : 'retry: 1000\n'
  return { ended, farewell, text: () => text }
}

/** Calls on one connection that it keeps, until no new one can be had: then nothing of the call was sent. */
async function callUntilRefused() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const lost: unknown[] = []
  let good = 0
  while (lost.length < 3) {
    try {
      const { status } = await call(agent)
      if (status === 200) good += 1
      else lost.push(status)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') break
      lost.push(error)
    }
  }
  agent.destroy()
  return { good, lost }
}

function mostWithin(times: readonly number[], windowMs: number): number {
  return Math.max(
    ...times.map(from => times.filter(at => at >= from && at < from + windowMs).length),
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
