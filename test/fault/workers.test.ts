/** One gateway in two processes that share a port, as it starts, runs, loses one of them and stops. */
import { createServer, request, type ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { listen } from '../../src/dev/listen.ts'
import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { startRedis } from '../support/redis.ts'
import { startRoundRobin } from '../support/round-robin.ts'
import { waitFor } from '../support/wait-for.ts'
import { call, type Session, signIn, tally } from './client.ts'

const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}'
const TIMEOUT_MS = 60_000

/** A backend that answers at once, but for calls that it is told to hold. */
async function startHoldingBackend() {
  const held: ServerResponse[] = []
  const answer = (res: ServerResponse) =>
    void res.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER)
  const server = createServer((req, res) => {
    req.resume().on('end', () => (req.url?.includes('hold') ? held.push(res) : answer(res)))
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  onTestFinished(async () => {
    server.closeAllConnections()
    await close()
  })
  const release = () => {
    for (const res of held.splice(0)) answer(res)
  }
  return { url: `${origin}/mcp`, held, release }
}

/** Each request through the front has a connection of its own, and the system says which worker gets it. */
async function setUp(config: Record<string, unknown> = {}) {
  const [port, opsPort] = await findFreePorts(2)
  const front = await startRoundRobin([`http://127.0.0.1:${port}`])
  onTestFinished(front.close)
  const redis = await startRedis()
  onTestFinished(redis.stop)
  const idp = await startOidcProvider({ redirectUris: [`${front.origin}/callback`] })
  onTestFinished(idp.close)
  const backend = await startHoldingBackend()
  const { issuer, clientId, clientSecret } = idp
  const gateway = await startGateway({
    config: {
      publicUrl: front.origin,
      listen: { host: '127.0.0.1', port },
      ops: { host: '127.0.0.1', port: opsPort },
      keys: [mintKey()],
      redis: { url: redis.url },
      upstream: { provider: 'oidc', issuer, clientId, clientSecret },
      backends: [{ path: '/crm/mcp', instances: [backend.url] }],
      workers: 2,
      ...config,
    },
  })
  onTestFinished(gateway.kill)
  await expect.poll(() => pidsOf(gateway).size).toBe(2)
  return { gateway, front, redis, backend, session: await signIn({ front }) }
}

type Scene = Awaited<ReturnType<typeof setUp>>

const line = z.looseObject({ msg: z.string(), worker: z.number().optional() })

function linesOf(gateway: GatewayProcess) {
  return gateway
    .logs()
    .split('\n')
    .filter(text => text !== '')
    .map(text => line.parse(JSON.parse(text)))
}

/** Process ids by worker, of all that have ever served. */
function pidsOf(gateway: GatewayProcess): Map<number, number> {
  const serving = linesOf(gateway).filter(({ msg }) => msg === 'worker serves')
  return new Map(serving.map(({ worker, pid }) => [worker ?? 0, Number(pid)]))
}

async function metric(gateway: GatewayProcess, sample: string): Promise<number> {
  const text = await (await fetch(`${gateway.opsOrigin}/metrics`)).text()
  const found = text.split('\n').find(one => one.startsWith(`${sample} `))
  return Number(found?.slice(sample.length))
}

const CALLS = 'mcp_gateway_requests_total{backend="crm",method="POST",outcome="ok"}'

const health = z.object({
  backends: z.array(
    z.object({
      instances: z.array(
        z.object({
          inFlight: z.number(),
          workers: z.array(z.object({ worker: z.number(), inFlight: z.number() })),
        }),
      ),
    }),
  ),
})

/** Calls under way by worker, as the admin API says. */
async function inFlight(gateway: GatewayProcess) {
  const answer = await (await fetch(`${gateway.opsOrigin}/admin/backends`)).json()
  const [instance] = health.parse(answer).backends[0]!.instances
  return {
    total: instance!.inFlight,
    byWorker: new Map(instance!.workers.map(({ worker, inFlight }) => [worker, inFlight])),
  }
}

/** Calls that the backend holds, so many that both workers have some. */
async function holdOnBoth({ gateway, front, backend, session }: Omit<Scene, 'redis'>) {
  const held: Promise<{ status: number }>[] = []
  await waitFor(
    async () => {
      held.push(attempt(session, front, '?hold'))
      await waitFor(() => backend.held.length === held.length, { what: 'the call to arrive' })
      const { total, byWorker } = await inFlight(gateway)
      expect(total).toBe(held.length)
      return [...byWorker.values()].every(count => count > 0)
    },
    { what: 'calls on both workers', timeoutMs: 20_000 },
  )
  return held
}

async function readiness({ opsOrigin }: GatewayProcess) {
  const response = await fetch(`${opsOrigin}/readyz`)
  return `${response.status} ${((await response.json()) as { status: string }).status}`
}

/** `broken` where the connection ended before the answer. */
function attempt(session: Session, at: { origin: string }, search = '') {
  return call(session, at, search).then(
    ({ status }) => ({ status }),
    () => ({ status: 0 }),
  )
}

function startLoad(session: Session, at: { origin: string }, loops: number) {
  const answers: { status: number }[] = []
  let isOver = false
  const running = Array.from({ length: loops }, async () => {
    while (!isOver) answers.push(await attempt(session, at))
  })
  return {
    answers,
    finish: async () => {
      isOver = true
      await Promise.all(running)
      return tally(answers)
    },
  }
}

/** A status, of a request that `fetch` would not send. */
function askOps({ opsOrigin }: GatewayProcess, method: string, path: string) {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  request(opsOrigin + path, { method, agent: false }, res => resolve(res.resume().statusCode))
    .on('error', reject)
    .end()
  return promise
}

describe('two workers', () => {
  it(
    'share one login and one port, and their metrics are one sum',
    async () => {
      const { gateway, front, session } = await setUp()
      const consented = () =>
        linesOf(gateway).flatMap(({ event, worker }) => (event === 'consent' ? [worker] : []))
      const redeemed = () =>
        linesOf(gateway).flatMap(({ event, worker }) => (event === 'token' ? [worker] : []))
      // One login after the other, until one was begun here and ended there.
      await waitFor(
        async () => {
          await signIn({ front })
          return consented().some((worker, index) => worker !== redeemed()[index])
        },
        { what: 'a login that two workers had a part in', timeoutMs: 30_000 },
      )
      const answers = await Promise.all(Array.from({ length: 40 }, () => call(session, front)))
      expect(tally(answers)).toEqual({ 200: 40 })
      await waitFor(async () => (await metric(gateway, CALLS)) >= 40, { what: 'the calls to end' })
      expect(await metric(gateway, CALLS)).toBe(40)
      expect(await metric(gateway, 'mcp_gateway_workers')).toBe(2)
      expect(await metric(gateway, 'mcp_gateway_worker_losses_total')).toBe(0)
      const node = await (await fetch(`${gateway.opsOrigin}/metrics`)).text()
      expect(node).toMatch(/mcp_gateway_build_info\{[^}]+\} 1\n/)
      process.kill(pidsOf(gateway).get(1)!, 'SIGKILL')
      await waitFor(async () => (await metric(gateway, 'mcp_gateway_worker_losses_total')) === 1, {
        what: 'the end of worker 1 to be noticed',
      })
      expect(await metric(gateway, CALLS)).toBe(40)
    },
    TIMEOUT_MS,
  )

  it(
    'lose only what the one was doing that is killed; it is replaced, and no sum goes down',
    async () => {
      const { gateway, front, backend, session } = await setUp()
      const held = await holdOnBoth({ gateway, front, backend, session })
      const { byWorker } = await inFlight(gateway)
      const load = startLoad(session, front, 2)
      await waitFor(() => load.answers.length >= 50, { what: 'some load', timeoutMs: 10_000 })
      const before = await metric(gateway, CALLS)
      process.kill(pidsOf(gateway).get(1)!, 'SIGKILL')
      await waitFor(() => backend.held.some(res => res.destroyed), { what: 'the end of worker 1' })
      expect(await metric(gateway, CALLS)).toBeGreaterThanOrEqual(before)
      await waitFor(() => pidsOf(gateway).has(3), {
        what: 'a worker in its place',
        timeoutMs: 15_000,
      })
      backend.release()
      const results = tally(await Promise.all(held))
      const broken = (results[0] ?? 0) + (results[502] ?? 0)
      expect(broken).toBe(byWorker.get(1))
      expect(results[200]).toBe(byWorker.get(2))
      const { 200: good = 0, ...bad } = await load.finish()
      expect(good).toBeGreaterThan(50)
      expect(Object.values(bad).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(2)
      expect(await readiness(gateway)).toBe('200 serving')
      expect(await metric(gateway, 'mcp_gateway_workers')).toBe(2)
      expect(await metric(gateway, 'mcp_gateway_worker_losses_total')).toBe(1)
      expect(await metric(gateway, CALLS)).toBeGreaterThanOrEqual(before)
    },
    TIMEOUT_MS,
  )

  it(
    'live on whatever the ops listener is asked',
    async () => {
      const { gateway } = await setUp()
      for (const method of ['TRACE', 'PROPFIND', 'OPTIONS', 'HEAD', 'PUT']) {
        expect(await askOps(gateway, method, '/admin/backends')).toBeGreaterThanOrEqual(400)
        expect(await askOps(gateway, method, '/admin//x')).toBeGreaterThanOrEqual(400)
      }
      expect(await askOps(gateway, 'GET', '/admin/backends')).toBe(200)
      expect(await metric(gateway, 'mcp_gateway_worker_losses_total')).toBe(0)
    },
    TIMEOUT_MS,
  )

  it(
    'drain together: not ready at once, still serving until the load balancer knows, nothing lost',
    async () => {
      const { gateway, front, backend, session } = await setUp({ drain: { delay: '2s' } })
      const held = await holdOnBoth({ gateway, front, backend, session })
      const load = startLoad(session, front, 4)
      await waitFor(() => load.answers.length > 20, { what: 'some load', timeoutMs: 10_000 })
      const stopped = gateway.stop()
      await waitFor(async () => (await readiness(gateway)) === '503 draining', {
        what: 'readiness to be off',
      })
      const seen = load.answers.length
      await waitFor(() => load.answers.length > seen + 5, { what: 'calls after readiness is off' })
      expect(Object.keys(await load.finish())).toEqual(['200'])
      const said = () => linesOf(gateway).some(({ msg }) => msg === 'stopped')
      expect(said()).toBe(false)
      backend.release()
      expect(tally(await Promise.all(held))).toEqual({ 200: held.length })
      expect(await stopped).toBe(0)
      expect(said()).toBe(true)
    },
    TIMEOUT_MS,
  )

  it(
    'answer operators as one: whichever is asked, all hear of it',
    async () => {
      const { gateway, front, session } = await setUp()
      const admin = (path: string, init?: RequestInit) =>
        fetch(`${gateway.opsOrigin}/admin${path}`, init)
      const query = new URLSearchParams({ client: session.clientId })
      const { grants } = (await (await admin(`/grants?${query}`)).json()) as { grants: unknown[] }
      expect(grants).toHaveLength(1)
      expect((await admin('/grants')).status).toBe(400)
      expect(
        (await admin('/backends', { headers: { origin: 'https://evil.example' } })).status,
      ).toBe(403)
      const headers = { 'content-type': 'application/json' }
      const large = { method: 'POST', headers, body: JSON.stringify({ grant: 'x'.repeat(70_000) }) }
      expect((await admin('/revoke', large)).status).toBe(413)
      // Both know the grant before it ends.
      const warm = await Promise.all(Array.from({ length: 12 }, () => call(session, front)))
      expect(tally(warm)).toEqual({ 200: 12 })
      const all = { method: 'POST', headers, body: JSON.stringify({ everything: true }) }
      expect(await (await admin('/revoke', all)).json()).toEqual({
        revoked: 1,
        unopened: 0,
        failed: 0,
      })
      await waitFor(
        async () => {
          const answers = await Promise.all(Array.from({ length: 12 }, () => call(session, front)))
          return tally(answers)[401] === 12
        },
        { what: 'both workers to hear of the end', timeoutMs: 8000 },
      )
      const revocations = () => linesOf(gateway).filter(({ event }) => event === 'admin')
      await expect.poll(revocations).toHaveLength(1)
    },
    TIMEOUT_MS,
  )

  it(
    'obey no signal that a terminal sends to all processes, and the first one once',
    async () => {
      const { gateway, front, session } = await setUp()
      const workers = [...pidsOf(gateway).values()]
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        for (const pid of workers) process.kill(pid, signal)
      }
      const answers = await Promise.all(Array.from({ length: 10 }, () => call(session, front)))
      expect(tally(answers)).toEqual({ 200: 10 })
      for (const pid of [gateway.pid, ...workers]) process.kill(pid, 'SIGINT')
      expect(await gateway.exited).toBe(0)
      expect(linesOf(gateway).filter(({ msg }) => msg === 'draining')).toHaveLength(1)
      expect(gateway.logs()).not.toContain('worker lost')
    },
    TIMEOUT_MS,
  )

  it(
    'end at once with the second signal, with whatever they are doing',
    async () => {
      const { gateway, front, backend, session } = await setUp()
      const held = attempt(session, front, '?hold')
      await waitFor(() => backend.held.length === 1, { what: 'the held call to arrive' })
      process.kill(gateway.pid, 'SIGTERM')
      await waitFor(() => gateway.logs().includes('draining'), { what: 'the first to be heard' })
      process.kill(gateway.pid, 'SIGTERM')
      expect(await gateway.exited).toBe(1)
      expect(await held).not.toEqual({ status: 200 })
      const isGone = (pid: number) => {
        try {
          return !process.kill(pid, 0)
        } catch {
          return true
        }
      }
      await waitFor(() => [...pidsOf(gateway).values()].every(isGone), { what: 'no worker left' })
    },
    TIMEOUT_MS,
  )

  it(
    'are degraded and ready while Redis is away, and end with the process that watches over them',
    async () => {
      const { gateway, redis } = await setUp()
      await redis.kill()
      await waitFor(async () => (await readiness(gateway)) === '200 degraded', {
        what: 'it to be degraded',
        timeoutMs: 15_000,
      })
      await gateway.kill()
      for (const pid of pidsOf(gateway).values()) {
        await waitFor(
          () => {
            try {
              return !process.kill(pid, 0)
            } catch {
              return true
            }
          },
          { what: `worker process ${pid} to end` },
        )
      }
    },
    TIMEOUT_MS,
  )
})
