import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { runGateway, startGateway } from '../support/gateway-process.ts'
import { connectLegacy } from '../support/mcp-clients.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { registerClient, signIn } from './oauth-client.ts'

describe('a stop', () => {
  let landscape: Landscape
  beforeEach(async () => {
    landscape = await startLandscape({ replicas: 1 })
  })
  afterEach(() => landscape.close())

  it('lets a tool call that is under way finish, takes no new ones, and ends with exit code 0', async () => {
    const [gateway] = landscape.replicas
    const { client, result } = await startSlowCall(10)
    const exited = gateway!.stop()
    await waitFor(async () => (await readiness(gateway!)).status === 503, {
      what: 'readiness to be off',
    })
    expect(await readiness(gateway!)).toMatchObject({ body: { status: 'draining' } })
    await waitFor(() => isRefused(gateway!.origin), { what: 'the public listener to close' })
    expect(landscape.backends.legacy.flatMap(openCalls)).toHaveLength(1)
    expect(await result).toBe('counted to 10')
    expect(await exited).toBe(0)
    await client.close()
  })

  it('is cut short by a second signal', async () => {
    const [gateway] = landscape.replicas
    const { client, result } = await startSlowCall(300)
    const broken = expect(result).rejects.toThrow()
    const exited = gateway!.stop()
    await waitFor(() => gateway!.logs().includes('draining'), { what: 'the drain to begin' })
    const signalledAt = performance.now()
    await gateway!.stop()
    expect(await exited).toBe(1)
    expect(performance.now() - signalledAt).toBeLessThan(2000)
    await client.close()
    await broken
  })

  /** @param steps of 100 ms each */
  async function startSlowCall(steps: number) {
    const { accessToken } = await signIn(landscape, await registerClient(landscape))
    const client = await connectLegacy(mcpUrl(landscape), accessToken)
    const result = client.call('slow_count', { to: steps, delayMs: 100 })
    await waitFor(() => landscape.backends.legacy.some(backend => openCalls(backend).length > 0), {
      what: 'the call to reach a backend',
    })
    return { client, result }
  }
})

describe('a start', () => {
  it('is alive and not ready without its Redis, ready when that appears, and stays ready when it goes (known failures 38 and 53)', async () => {
    const redis = await startRedis()
    onTestFinished(redis.stop)
    await redis.kill()
    const config = { ...(await minimal()), redis: { url: redis.url }, keys: [mintKey()] }
    const gateway = await startGateway({ config, until: 'alive' })
    onTestFinished(gateway.kill)
    const becomes = (status: string) =>
      waitFor(async () => (await readiness(gateway)).body.status === status, {
        what: `the gateway to be ${status}`,
        timeoutMs: 10_000,
      })
    expect(await readiness(gateway)).toEqual({
      status: 503,
      body: { status: 'starting', store: 'unreachable' },
    })
    expect(gateway.logs()).not.toContain('store connected')
    await redis.restart()
    await becomes('serving')
    expect((await readiness(gateway)).status).toBe(200)
    await waitFor(() => gateway.logs().includes('store connected'), { what: 'the log to say so' })
    await redis.kill()
    await becomes('degraded')
    expect((await readiness(gateway)).status).toBe(200)
    expect((await fetch(`${gateway.opsOrigin}/livez`)).status).toBe(200)
    expect(await gateway.stop()).toBe(0)
  })

  it('ends with exit code 1 and says why where its port is taken', async () => {
    const config = await minimal()
    const first = await startGateway({ config })
    onTestFinished(first.kill)
    const { ops } = await minimal()
    const { code, output } = await startBriefly({ ...config, ops })
    expect(code).toBe(1)
    expect(output).toContain(`port ${config.listen.port} of 127.0.0.1 is in use`)
  })

  it('refuses Redis without keys (known failure 36)', async () => {
    const config = { ...(await minimal()), redis: { url: 'redis://127.0.0.1:1' } }
    const { code, output } = await startBriefly(config)
    expect(code).toBe(2)
    expect(output).toMatch(/redis.*needs keys/)
  })

  it('refuses the development IdP in production', async () => {
    const config = { ...(await minimal()), upstream: { provider: 'dev' } }
    const { code, output } = await startBriefly(config, { NODE_ENV: 'production' })
    expect(code).toBe(2)
    expect(output).toMatch(/upstream\.provider.*refused with NODE_ENV=production/)
  })

  it('refuses the development IdP on a public URL', async () => {
    const publicUrl = 'https://mcp.example.com'
    const config = { ...(await minimal()), publicUrl, upstream: { provider: 'dev' } }
    const { code, output } = await startBriefly(config)
    expect(code).toBe(2)
    expect(output).toMatch(/upstream\.provider.*refused unless publicUrl is loopback/)
  })

  it('names every fault of a bad configuration', async () => {
    const { code, output } = await startBriefly({
      ...(await minimal()),
      publicUrl: 'http://mcp.example.com',
      lifetime: {},
      limits: { body: 'much' },
    })
    expect(code).toBe(2)
    for (const fault of ['publicUrl', 'lifetime', 'limits.body']) expect(output).toContain(fault)
    expect(output).toContain('did you mean "lifetimes"?')
  })
})

/** A configuration that starts without anything else running. */
async function minimal() {
  const [port, opsPort] = await findFreePorts(2)
  return {
    publicUrl: `http://127.0.0.1:${port}`,
    listen: { host: '127.0.0.1', port: port! },
    ops: { host: '127.0.0.1', port: opsPort! },
    upstream: {
      provider: 'oidc',
      issuer: 'http://127.0.0.1:1',
      clientId: 'gateway',
      clientSecret: 'a-secret-of-the-test',
    },
    backends: [{ path: '/demo/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
  }
}

/** For a configuration with which it is not going to stay. */
async function startBriefly(config: Record<string, unknown>, env?: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  try {
    const file = join(folder, 'gateway.config.yaml')
    await writeFile(file, stringify(config))
    return await runGateway(['start', '--config', file], env)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function readiness({ opsOrigin }: { opsOrigin: string }) {
  const response = await fetch(`${opsOrigin}/readyz`)
  const body = (await response.json()) as { status: string; store: string }
  return { status: response.status, body }
}

function openCalls({ requests }: Landscape['backends']['legacy'][number]) {
  return requests.filter(({ outcome, body }) => outcome === 'open' && body.includes('slow_count'))
}

async function isRefused(origin: string): Promise<boolean> {
  try {
    await (await fetch(origin, { headers: { connection: 'close' } })).text()
    return false
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } }
    return cause?.code === 'ECONNREFUSED'
  }
}
