import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createNameResolver, type ResolveName } from '../../../src/proxy/balancing/names.ts'
import { startNameServer } from '../../support/name-server.ts'
import { ask, eventually, open, startGateway } from '../support.ts'

type Pod = { address: string; hosts: (string | undefined)[]; connections(): number }

/** Servers on one port of several loopback addresses, as pods behind one name are. */
async function startPods(
  addresses: readonly string[],
  answer: (req: IncomingMessage, res: ServerResponse) => void = (_req, res) => res.end('{}'),
): Promise<{ port: number; pods: Pod[] }> {
  const pods: Pod[] = []
  let port = 0
  for (const address of addresses) {
    const hosts: Pod['hosts'] = []
    const server = createServer((req, res) => {
      hosts.push(req.headers.host)
      answer(req, res)
    }).listen(port, address)
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    port = (server.address() as AddressInfo).port
    let count = 0
    server.on('connection', socket => {
      count += 1
      socket.once('close', () => {
        count -= 1
      })
    })
    pods.push({ address, hosts, connections: () => count })
  }
  return { port, pods }
}

/** Asks a real name server, as often as the test wants. */
async function startNames(records: { now: readonly string[] | undefined }) {
  const server = await startNameServer((_name, type) =>
    records.now === undefined ? undefined : type === 'A' ? records.now : [],
  )
  onTestFinished(server.close)
  const resolve = createNameResolver(server.resolver, server.lookUp)
  const resolveName: ResolveName = async name => ({ ...(await resolve(name)), ttlSeconds: 0.03 })
  return { resolveName, questions: server.questions }
}

const POST = { body: '{}' }

describe('an instance with dns: before it', () => {
  test('is as many as its name has addresses, each called by the name', async () => {
    const { port, pods } = await startPods(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    const { resolveName } = await startNames({ now: pods.map(({ address }) => address) })
    const gateway = await startGateway({
      instances: [`dns:http://crm.example.com:${port}/mcp`],
      proxy: { resolveName },
    })
    // The first call waits until it is known where to go.
    for (let time = 0; time < 60; time += 1) expect((await ask(gateway, POST)).status).toBe(200)
    for (const { hosts } of pods) {
      expect(hosts.length).toBeGreaterThan(0)
      expect(new Set(hosts)).toEqual(new Set([`crm.example.com:${port}`]))
    }
    expect(gateway.proxy.state().backends[0]?.instances.map(({ instance }) => instance)).toEqual(
      pods.map(({ address }) => `http://crm.example.com:${port} at ${address}`),
    )
  })

  test('follows the name: a new address gets calls, one that is gone gets none and keeps what it has', async () => {
    const held: ServerResponse[] = []
    const { port, pods } = await startPods(['127.0.0.1', '127.0.0.2'], (req, res) => {
      if (req.url?.includes('hold')) held.push(res)
      else res.end('{}')
    })
    const [old, young] = pods as [Pod, Pod]
    const records = { now: [old.address] }
    const { resolveName } = await startNames(records)
    const gateway = await startGateway({
      instances: [`dns:http://crm.example.com:${port}/mcp`],
      proxy: { resolveName },
    })
    const opened = open(gateway, { ...POST, path: '/crm/mcp?hold' })
    await eventually(() => held.length === 1, 'a call is held')
    await ask(gateway, POST)
    expect(old.connections()).toBe(2)
    records.now = [young.address]
    const names = () =>
      gateway.proxy.state().backends[0]?.instances.map(({ instance }) => instance.split(' ').at(-1))
    await eventually(() => names()?.join() === young.address, 'the address has changed')
    const before = old.hosts.length
    for (let time = 0; time < 10; time += 1) await ask(gateway, POST)
    expect(young.hosts).toHaveLength(10)
    expect(old.hosts).toHaveLength(before)
    await eventually(() => old.connections() === 1, 'the idle connection is closed')
    held[0]!.end('finished')
    expect(Buffer.concat(await (await opened).toArray()).toString()).toBe('finished')
    await eventually(() => old.connections() === 0, 'the last connection is closed')
  })

  test('lets streams that only listen move on from an address that is gone, long before their age', async () => {
    const { port, pods } = await startPods(['127.0.0.1', '127.0.0.2'], (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    })
    const [old, young] = pods as [Pod, Pod]
    const records = { now: [old.address] }
    const { resolveName } = await startNames(records)
    const gateway = await startGateway({
      instances: [`dns:http://crm.example.com:${port}/mcp`],
      proxy: { resolveName, heartbeatMs: 50 },
    })
    const listening = await open(gateway, { method: 'GET' })
    const calling = await open(gateway, POST)
    records.now = [young.address]
    const text = Buffer.concat(await listening.toArray()).toString()
    expect(text).toMatch(/^data: 1\n\n(:\n)*retry: 1000\n$/)
    expect(gateway.proxy.state()).toMatchObject({ eventStreams: 1, callsInFlight: 1 })
    // The answer to a call stays.
    await eventually(() => old.connections() === 1, 'the connection of the stream is closed')
    const again = await open(gateway, { method: 'GET' })
    expect(young.hosts).toHaveLength(1)
    for (const stream of [calling, again]) stream.destroy()
  })

  test('stays where it was while its name cannot be looked up', async () => {
    const { port, pods } = await startPods(['127.0.0.1'])
    const records: { now: string[] | undefined } = { now: [pods[0]!.address] }
    const { resolveName, questions } = await startNames(records)
    const gateway = await startGateway({
      instances: [`dns:http://crm.example.com:${port}/mcp`],
      proxy: { resolveName },
    })
    await ask(gateway, POST)
    records.now = undefined
    const asked = questions.length
    await eventually(() => questions.length > asked + 2, 'it is looked up again')
    await eventually(
      () => gateway.log.some(({ msg }) => msg === 'a name could not be resolved'),
      'that is in the log',
    )
    expect((await ask(gateway, POST)).status).toBe(200)
  })

  test('of a name without addresses is answered with 502', async () => {
    const { resolveName } = await startNames({ now: undefined })
    const gateway = await startGateway({
      instances: ['dns:http://crm.example.com:8080/mcp'],
      proxy: { resolveName },
    })
    expect((await ask(gateway, POST)).status).toBe(502)
  })
})

test('an https instance with dns: is asked for by its name, whatever the address', async () => {
  const names: (string | false | undefined)[] = []
  const server = createTlsServer({
    SNICallback: (name, done) => {
      names.push(name)
      done(new Error('no certificate is needed for this'))
    },
  }).listen(0, '127.0.0.2')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const { resolveName } = await startNames({ now: ['127.0.0.2'] })
  const gateway = await startGateway({
    instances: [`dns:https://crm.example.com:${port}/mcp`],
    proxy: { resolveName },
  })
  expect((await ask(gateway, POST)).status).toBe(502)
  expect(names).toEqual(['crm.example.com'])
})
