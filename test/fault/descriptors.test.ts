import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { listen } from '../../src/dev/listen.ts'
import { basic, createSecretPair } from '../authorization-server/client-fixture.ts'
import { findFreePorts } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'
import { waitFor } from '../support/wait-for.ts'

const DESCRIPTORS = 100
const PROBE_INTERVAL_MS = 1000
/** Three probes that fail eject an instance, and five calls do. */
const STARVING_MS = 4 * PROBE_INTERVAL_MS

/** An instance that keeps no connection, so that each call needs a new one. */
async function startInstance(): Promise<string> {
  const server = createServer((_req, res) => {
    const fields = { 'content-type': 'application/json', connection: 'close' }
    res.writeHead(200, fields).end('{"jsonrpc":"2.0","id":1,"result":{}}')
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  onTestFinished(close)
  return `${origin}/mcp`
}

async function setUp() {
  const [port, opsPort] = await findFreePorts(2)
  const nightly = createSecretPair()
  const gateway = await startGateway({
    descriptors: DESCRIPTORS,
    config: {
      publicUrl: `http://127.0.0.1:${port}`,
      ...{ listen: { host: '127.0.0.1', port }, ops: { port: opsPort } },
      upstream: {
        provider: 'oidc',
        issuer: 'http://127.0.0.1:1',
        clientId: 'gateway',
        clientSecret: 's',
      },
      clients: [
        {
          ...{ id: 'nightly', name: 'Nightly batch', clientCredentials: true },
          secretHash: nightly.secretHash,
        },
      ],
      backends: [
        {
          ...{ path: '/crm/mcp', credential: 'none' },
          instances: [await startInstance(), await startInstance()],
          probe: { kind: 'tcp', interval: `${PROBE_INTERVAL_MS}ms` },
        },
      ],
    },
  })
  onTestFinished(gateway.kill)
  const answer = await fetch(`${gateway.origin}/token`, {
    method: 'POST',
    headers: basic('nightly', nightly.secret),
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: `${gateway.origin}/crm/mcp`,
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return { gateway, token }
}

/** Calls, all on one connection, so that the gateway needs a descriptor for the backend's alone. */
function createCaller(origin: string, token: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return async () => {
    const asked = request(`${origin}/crm/mcp`, {
      ...{ agent, method: 'POST' },
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    }).end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    const [res] = await once(asked, 'response')
    await text(res)
    return { status: res.statusCode, retryAfter: res.headers['retry-after'] }
  }
}

/** @returns how to let go of what was taken */
function takeDescriptors({ origin }: { origin: string }): () => void {
  const port = Number(new URL(origin).port)
  const sockets = new Set<Socket>()
  let isOver = false
  const take = () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.add(socket)
    // A part of a request, and a new connection for each that is closed.
    socket.once('connect', () => socket.write('GET / HTTP/1.1\r\n'))
    socket.once('close', () => {
      sockets.delete(socket)
      if (!isOver) setTimeout(take, 10)
    })
  }
  for (let count = 0; count < DESCRIPTORS; count += 1) take()
  const letGo = () => {
    isOver = true
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(letGo)
  return letGo
}

test('a replica without file descriptors says that it is overloaded, and takes no instance for dead', async () => {
  const { gateway, token } = await setUp()
  const call = createCaller(gateway.origin, token)
  expect(await call()).toMatchObject({ status: 200 })
  const letGo = takeDescriptors(gateway)
  await waitFor(async () => (await call()).status !== 200, { what: 'no descriptor to be left' })
  const until = performance.now() + STARVING_MS
  const answers = new Set<string>()
  while (performance.now() < until) answers.add(JSON.stringify(await call()))
  // A connection that was closed leaves one descriptor for a moment.
  answers.delete(JSON.stringify({ status: 200 }))
  expect([...answers]).toEqual([JSON.stringify({ status: 503, retryAfter: '1' })])
  const lines = () => gateway.logs().split('\n')
  const failed = lines().find(line => line.includes('request failed'))
  expect(JSON.parse(failed ?? '')).toMatchObject({
    failure: 'overloaded',
    reason: 'no file descriptor is left for a connection',
    err: { errorCode: 'EMFILE' },
  })
  letGo()
  await waitFor(async () => (await call()).status === 200, { what: 'descriptors to be left' })
  expect(lines().filter(line => line.includes('instance ejected'))).toEqual([])
})
