import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  ask,
  begin,
  type ProxyName,
  type RunningProxy,
  readAll,
  startProxy,
} from '../support/proxies/start.ts'
import { waitFor } from '../support/wait-for.ts'

const FOLDER = join(import.meta.dirname, '../../deploy/proxies')

describe.each<ProxyName>(['nginx', 'haproxy', 'caddy'])('%s with its sample', name => {
  let proxy: RunningProxy

  beforeAll(async () => {
    proxy = await startProxy(name)
  }, 60_000)

  afterAll(() => proxy?.close())

  const seen = () => proxy.replicas.flatMap(replica => replica.seen)
  const forget = () => {
    for (const replica of proxy.replicas) replica.seen.length = 0
  }

  it('hands on the first event of a stream before the last is sent', async () => {
    const { response, chunks } = await begin(proxy, { headers: { 'x-behave': 'stream' } })
    expect(response.headers['content-type']).toBe('text/event-stream')
    const first = await chunks[Symbol.asyncIterator]().next()
    expect(first.value).toBe('data: first\n\n')
    for (const replica of proxy.replicas) replica.release()
    expect(await readAll(chunks)).toBe('data: second\n\n')
  })

  it('never sends a POST again that a replica has broken off', async () => {
    forget()
    const ids = ['1', '2', '3', '4', '5']
    for (const id of ids) {
      const { status } = await ask(proxy, { headers: { 'x-behave': 'cut', 'x-id': id } })
      expect(status).toBe(502)
    }
    const arrived = seen().map(({ headers }) => `${headers['x-id']}`)
    expect(arrived.length).toBeGreaterThan(1)
    expect(arrived).toEqual([...new Set(arrived)])
  })

  it('uses any replica, with and without a cookie, and sets none', async () => {
    await waitUntilBothServe(proxy)
    forget()
    for (let count = 0; count < 8; count += 1) {
      const { status, headers } = await ask(proxy, { headers: { cookie: 'SERVERID=gateway-1' } })
      expect(status).toBe(200)
      expect(headers['set-cookie']).toBeUndefined()
    }
    for (const replica of proxy.replicas) expect(replica.seen.length).toBeGreaterThan(1)
  })

  it('says who is calling, and not what the caller says', async () => {
    forget()
    await ask(proxy, { headers: { 'x-forwarded-for': '203.0.113.9' } })
    expect(seen().map(({ headers }) => headers['x-forwarded-for'])).toEqual(['127.0.0.1'])
  })

  it('keeps the host', async () => {
    forget()
    await ask(proxy)
    expect(seen().map(({ headers }) => headers.host)).toEqual(['mcp.example.com'])
  })

  it('ends a call whose client has gone', async () => {
    forget()
    const { leave } = await begin(proxy, { headers: { 'x-behave': 'stream' } })
    leave()
    await waitFor(() => seen()[0]?.isAborted, { what: 'the replica to notice', timeoutMs: 10_000 })
  })

  it('takes its connections to the replicas again', async () => {
    const count = () => proxy.replicas.reduce((sum, replica) => sum + replica.connections(), 0)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const before = count()
    for (let again = 0; again < 12; again += 1) await ask(proxy, { agent })
    agent.destroy()
    expect(count() - before).toBeLessThan(6)
  })

  it.skipIf(name === 'nginx')(
    'sends nothing to a replica that says it is not ready, though it accepts',
    async () => {
      const [leaving, staying] = proxy.replicas
      leaving!.setReady(false)
      const isOut = async () => {
        forget()
        for (let count = 0; count < 4; count += 1) await ask(proxy)
        return leaving!.seen.length === 0 && staying!.seen.length === 4
      }
      await waitFor(isOut, { what: 'the replica to be out', timeoutMs: 5000, intervalMs: 100 })
      leaving!.setReady(true)
      await waitUntilBothServe(proxy)
    },
  )

  it('sends a POST to the other replica where one does not accept', async () => {
    const [leaving, staying] = proxy.replicas
    leaving!.keepNoConnection()
    for (let count = 0; count < 8; count += 1) await ask(proxy)
    await leaving!.stopListening()
    // Its known fault, which the sample names: POST is not tried elsewhere, until the health check has seen it.
    if (name === 'caddy') await waitUntilServing(proxy)
    forget()
    for (let count = 0; count < 10; count += 1) expect((await ask(proxy)).status).toBe(200)
    expect(staying!.seen).toHaveLength(10)
  })
})

async function waitUntilServing(proxy: RunningProxy): Promise<void> {
  const isServing = async () => {
    for (let count = 0; count < 4; count += 1) if ((await ask(proxy)).status !== 200) return false
    return true
  }
  await waitFor(isServing, { what: 'the replica to be out', intervalMs: 100 })
}

async function waitUntilBothServe(proxy: RunningProxy): Promise<void> {
  const both = async () => {
    for (const replica of proxy.replicas) replica.seen.length = 0
    for (let count = 0; count < 4; count += 1) await ask(proxy)
    return proxy.replicas.every(replica => replica.seen.length > 0)
  }
  await waitFor(both, { what: 'both replicas to serve', timeoutMs: 10_000, intervalMs: 200 })
}

describe('the sample for Envoy, which is not run', () => {
  const read = async () =>
    parse(await readFile(join(FOLDER, 'envoy.yaml'), 'utf8')).static_resources

  it('has no limit for a whole answer and none below the beat of the gateway', async () => {
    const manager = (await read()).listeners[0].filter_chains[0].filters[0].typed_config
    expect(manager['@type']).toMatch(/\.http_connection_manager\.v3\.HttpConnectionManager$/)
    const { route } = manager.route_config.virtual_hosts[0].routes[0]
    expect(route.timeout).toBe('0s')
    for (const limit of [manager.stream_idle_timeout, route.idle_timeout]) {
      expect(Number.parseInt(limit, 10)).toBeGreaterThan(60)
    }
    expect(manager.http_filters.map((filter: { name: string }) => filter.name)).toEqual([
      'envoy.filters.http.router',
    ])
  })

  it('repeats only what could not be sent, and knows no affinity', async () => {
    const { listeners, clusters } = await read()
    const manager = listeners[0].filter_chains[0].filters[0].typed_config
    const { route } = manager.route_config.virtual_hosts[0].routes[0]
    expect(route.retry_policy.retry_on).toBe('connect-failure')
    expect(route).not.toHaveProperty('hash_policy')
    expect(clusters.map((cluster: { name: string }) => cluster.name)).toEqual([route.cluster])
    expect(clusters[0].lb_policy).toBe('ROUND_ROBIN')
  })

  it('asks the ops listener of each replica whether it is ready', async () => {
    const [cluster] = (await read()).clusters
    expect(cluster.load_assignment.cluster_name).toBe(cluster.name)
    expect(cluster.health_checks[0].http_health_check.path).toBe('/readyz')
    for (const { endpoint } of cluster.load_assignment.endpoints[0].lb_endpoints) {
      expect(endpoint.address.socket_address.port_value).toBe(8080)
      expect(endpoint.health_check_config.port_value).toBe(9090)
    }
  })
})
