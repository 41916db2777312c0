import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../../src/proxy/balancing/health.ts'
import type { ProbeKind } from '../../../src/proxy/balancing/probe.ts'
import { ask, DEAF, deadUrl, eventually, startBackend, startGateway } from '../support.ts'

const INTERVAL_MS = 30

async function setUp(instances: string[], kind: ProbeKind, proxy = {}) {
  const findings: Finding[] = []
  const changes: string[] = []
  const gateway = await startGateway({
    instances,
    backend: { probe: { kind, intervalMs: INTERVAL_MS } },
    proxy: {
      observe: () => ({
        ...DEAF,
        probed: finding => void findings.push(finding),
        instanceChanged: change => void changes.push(change),
      }),
      ...proxy,
    },
  })
  const states = () => gateway.proxy.state().backends[0]!.instances.map(({ state }) => state)
  return { gateway, findings, changes, states }
}

/** Accepts connections. */
async function startMute(port = 0): Promise<{ url: string; port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => {}))
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${bound}/internal`, port: bound }
}

describe('a probe by TCP', () => {
  test('ejects an instance that nobody listens at before any call meets it, and takes it back', async () => {
    const dead = await deadUrl()
    const alive = await startBackend()
    const { gateway, changes, states } = await setUp([dead, alive.url], 'tcp', { random: () => 0 })
    await eventually(() => states()[0] === 'ejected', 'it is ejected')
    await ask(gateway, { body: '{}' })
    expect(alive.seen).toHaveLength(1)
    await startMute(Number(new URL(dead).port))
    await eventually(() => states()[0] === 'warming', 'it is back')
    expect(changes).toEqual(['ejected', 'returned'])
  })
})

describe('a probe by MCP', () => {
  test('asks server/discover at the path of the instance, with nobody’s credential', async () => {
    const backend = await startBackend()
    const { findings } = await setUp([backend.url], 'mcp')
    await eventually(() => findings.length > 0, 'it is probed')
    expect(findings[0]).toBe('answered')
    expect(backend.seen[0]).toMatchObject({ method: 'POST', url: '/internal' })
    expect(JSON.parse(backend.seen[0]!.body).method).toBe('server/discover')
    expect(backend.field('mcp-method')).toBe('server/discover')
    expect(backend.field('mcp-protocol-version')).toBe('2026-07-28')
    expect(backend.field('authorization')).toBeUndefined()
  })

  test.each([200, 400, 401, 403, 404, 405])('takes %i for a sign of life', async status => {
    const backend = await startBackend((_req, res) => res.writeHead(status).end())
    const { findings } = await setUp([backend.url], 'mcp')
    await eventually(() => findings.length > 0, 'it is probed')
    expect(findings[0]).toBe('answered')
    expect(JSON.parse(backend.seen[0]!.body).method).toBe('server/discover')
  })

  test('asks initialize where server/discover is answered with 5xx', async () => {
    const backend = await startBackend((_req, res, body) => {
      res.writeHead(body.includes('server/discover') ? 500 : 200).end()
    })
    const { findings } = await setUp([backend.url], 'mcp')
    await eventually(() => findings.length > 0, 'it is probed')
    expect(findings[0]).toBe('answered')
    expect(JSON.parse(backend.seen[1]!.body)).toMatchObject({
      method: 'initialize',
      params: { protocolVersion: '2025-11-25' },
    })
  })

  test('ejects an instance that answers 5xx to both, although it can be connected to', async () => {
    const sick = await startBackend((_req, res) => res.writeHead(503).end())
    const alive = await startBackend()
    const { states } = await setUp([sick.url, alive.url], 'mcp')
    await eventually(() => states()[0] === 'ejected', 'it is ejected')
    expect(states()).toEqual(['ejected', 'serving'])
  })

  test('does not wait for the end of an answer', async () => {
    const backend = await startBackend((_req, res) => res.writeHead(200).write('on and on'))
    const { findings } = await setUp([backend.url], 'mcp')
    await eventually(() => findings.length > 1, 'it is probed again')
    expect(findings).not.toContain('dead')
  })
})

describe('probes', () => {
  test('leave an instance alone that requests have shown to live', async () => {
    const backend = await startBackend()
    const { gateway, findings } = await setUp([backend.url], 'mcp')
    const until = performance.now() + 10 * INTERVAL_MS
    let calls = 0
    while (performance.now() < until) {
      await ask(gateway, { body: '{}' })
      calls += 1
    }
    expect(calls).toBeGreaterThan(20)
    // One call in each interval would do; a noisy machine may leave one out.
    expect(findings.length).toBeLessThan(5)
    await eventually(() => findings.length > 5, 'it is probed when there are no more')
  })

  test('stop when the gateway drains', async () => {
    const backend = await startBackend()
    const other = await startBackend()
    const { gateway, findings } = await setUp([backend.url], 'mcp')
    const { findings: others } = await setUp([other.url], 'mcp')
    await eventually(() => findings.length > 0, 'it is probed')
    gateway.proxy.drain(0)
    const before = [findings.length, others.length] as const
    await eventually(() => others.length > before[1] + 5, 'others are probed')
    expect(findings).toHaveLength(before[0])
    expect(backend.seen.length).toBeLessThanOrEqual(before[0] + 1)
  })
})
