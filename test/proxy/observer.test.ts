import { describe, expect, onTestFinished, test } from 'vitest'
import { createScopeCatalogue } from '../../src/domain/scope-catalogue.ts'
import type { BackendObserver } from '../../src/proxy/backend-observer.ts'
import type { BackendOptions } from '../../src/proxy/backends.ts'
import { createCallLimits } from '../../src/proxy/call-limits.ts'
import { createPolicy } from '../../src/proxy/policy.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ask, deadUrl, eventually, open, startBackend, startGateway } from './support.ts'

type Ended = Parameters<BackendObserver['ended']>

async function setUp(instances: string[], proxy = {}, options: Partial<BackendOptions> = {}) {
  const ended: Ended[] = []
  const times: [number, number][] = []
  const forbidden: object[] = []
  const limited: object[] = []
  const repeats: object[] = []
  const observe = (backend: string): BackendObserver => ({
    answered: (...both) => void times.push(both),
    ended: (...one) => void ended.push(one),
    repeated: (...one) => void repeats.push(one),
    instanceChanged: () => {},
    probed: () => {},
    forbade: refused => void forbidden.push({ backend, ...refused }),
    limited: refused => void limited.push({ backend, ...refused }),
  })
  const gateway = await startGateway({
    ...{ instances, backend: options, proxy: { observe, ...proxy } },
  })
  return { gateway, ended, times, forbidden, limited, repeats }
}

describe('every request is told once', () => {
  test('with its method and tool where it names them', async () => {
    const backend = await startBackend()
    const { gateway, ended, times } = await setUp([backend.url])
    const headers = { 'mcp-method': 'tools/call', 'Mcp-Name': 'search' }
    await ask(gateway, { headers, body: '{}' })
    await ask(gateway, { body: '{}' })
    expect(ended).toEqual([
      ['tools/call', 'search', 'ok'],
      ['POST', undefined, 'ok'],
    ])
    expect(times).toHaveLength(2)
    for (const [own, theirs] of times) {
      expect(own).toBeGreaterThanOrEqual(0)
      expect(theirs).toBeGreaterThan(0)
    }
  })

  test.each([
    [404, 'clientError'],
    [503, 'serverError'],
  ])('as the backend answered it: %i', async (status, outcome) => {
    const backend = await startBackend((_req, res) => res.writeHead(status).end('{}'))
    const { gateway, ended } = await setUp([backend.url])
    await ask(gateway, { body: '{}' })
    expect(ended).toEqual([['POST', undefined, outcome]])
  })

  test('as broken where the end of a list shows that it cannot be read', async () => {
    const backend = await startBackend((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"tools":[')
    })
    const demands = [{ pattern: 'debug', scopes: [], isHidden: true }]
    const policy = createPolicy(createScopeCatalogue([], []), demands)
    const { gateway, ended } = await setUp([backend.url], {}, { policy })
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    expect((await ask(gateway, { body })).status).toBe(502)
    expect(ended).toEqual([['POST', undefined, 'backendBroken']])
  })

  test('as what kept it from the backend', async () => {
    const { gateway, ended } = await setUp([await deadUrl()])
    await ask(gateway, { token: null })
    await ask(gateway, { token: 'forged' })
    await ask(gateway, { headers: { origin: 'https://evil.example' } })
    await ask(gateway, { body: '{}' })
    expect(ended.map(([, , outcome]) => outcome)).toEqual([
      'unauthenticated',
      'invalidToken',
      'forbiddenOrigin',
      'backendUnreachable',
    ])
  })

  test('as abandoned where its client has left', async () => {
    const backend = await startBackend((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
    })
    const { gateway, ended } = await setUp([backend.url])
    const res = await open(gateway, { method: 'GET' })
    expect(gateway.proxy.state()).toMatchObject({ callsInFlight: 1, eventStreams: 1 })
    res.destroy()
    await eventually(() => ended.length > 0, 'it is told')
    expect(ended).toEqual([['GET', undefined, 'abandoned']])
    expect(gateway.proxy.state()).toMatchObject({ callsInFlight: 0, eventStreams: 0 })
  })
})

describe('who is beyond a limit of its own', () => {
  const backendOf = () =>
    startBackend((req, res) => {
      if (req.method === 'GET') res.writeHead(200, { 'content-type': 'text/event-stream' })
      else res.end('{}')
      res.flushHeaders()
    })

  test('is told, with the limit', async () => {
    const backend = await backendOf()
    const limits = { bodyBytes: 1000, inFlight: 9, streams: 9, streamsPerSubject: 1 }
    const off = { subject: 'off', client: 'off', backend: 'off', tool: 'off' } as const
    const callLimits = createCallLimits({
      limits: { ...off, subject: { count: 2, windowSeconds: 60 } },
      ...{ rates: createMemoryStore().rates, onRefused: () => {}, now: () => 0 },
    })
    const { gateway, limited } = await setUp([backend.url], { limits, callLimits })
    const stream = await open(gateway, { method: 'GET' })
    expect((await ask(gateway, { method: 'GET' })).status).toBe(429)
    expect((await ask(gateway, { body: '{}' })).status).toBe(200)
    expect((await ask(gateway, { body: '{}' })).status).toBe(429)
    expect(limited).toMatchObject([
      { backend: 'crm', reason: 'too many streams of one user at once', claims: {} },
      { backend: 'crm', reason: 'more calls than the limit of its subject', claims: {} },
    ])
    stream.destroy()
  })

  test('is not who finds the whole process full', async () => {
    const backend = await backendOf()
    const limits = { bodyBytes: 1000, inFlight: 9, streams: 1 }
    const { gateway, limited } = await setUp([backend.url], { limits })
    const stream = await open(gateway, { method: 'GET' })
    expect((await ask(gateway, { method: 'GET' })).status).toBe(503)
    expect(limited).toEqual([])
    stream.destroy()
  })
})

test('the state of the instances is shown', async () => {
  const [dead, backend] = [await deadUrl(), await startBackend()]
  const { gateway } = await setUp([dead, backend.url])
  onTestFinished(() => backend.close())
  const states = () =>
    gateway.proxy.state().backends.flatMap(one => one.instances.map(({ state }) => state))
  expect(states()).toEqual(['serving', 'serving'])
  for (let n = 0; n < 40 && states()[0] === 'serving'; n += 1) await ask(gateway, { body: '{}' })
  expect(states()).toEqual(['ejected', 'serving'])
})
