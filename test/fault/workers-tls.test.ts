/** Two workers that end TLS and send traces: what the process settles for all of them, and what each has of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { startGatewayFrom } from '../support/gateway-process.ts'
import { idOf, mountCertificate, shownBy } from '../support/mounted-certificate.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { startRedis } from '../support/redis.ts'
import { createSelfSigned } from '../support/self-signed.ts'

const PATH = '/.well-known/oauth-authorization-server'
const TIMEOUT_MS = 60_000

async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const first = createSelfSigned(['localhost'])
  const mount = await mountCertificate(folder, first)
  const redis = await startRedis()
  onTestFinished(redis.stop)
  const receiver = await startOtlpReceiver()
  onTestFinished(receiver.close)
  const [port = 0, opsPort] = await findFreePorts(2)
  const config = {
    publicUrl: `https://localhost:${port}`,
    listen: { host: '127.0.0.1', port, tls: { cert: 'file:tls.crt', key: 'file:tls.key' } },
    ops: { port: opsPort },
    keys: [mintKey()],
    redis: { url: redis.url },
    upstream: {
      ...{ provider: 'oidc', issuer: 'https://login.example.com' },
      ...{ clientId: 'gateway', clientSecret: 'secret' },
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
    workers: 2,
  }
  const file = join(folder, 'gateway.yaml')
  await writeFile(file, stringify(config))
  const gateway = await startGatewayFrom(file, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin, OTEL_BSP_SCHEDULE_DELAY: '50' },
  })
  onTestFinished(gateway.kill)
  return { gateway, mount, first, port, receiver }
}

/** On a connection of its own, which either worker may get. */
function get(port: number): Promise<number | undefined> {
  const agent = new Agent({ keepAlive: false, rejectUnauthorized: false })
  return new Promise((resolve, reject) => {
    request({ agent, port, host: '127.0.0.1', path: PATH }, res => {
      res.resume().on('end', () => resolve(res.statusCode))
    })
      .on('error', reject)
      .end()
  })
}

/** All that connections are shown which are opened together; so many of them reach both workers. */
const shownTo = async (count: number, port: number) =>
  new Set(await Promise.all(Array.from({ length: count }, () => shownBy(port))))

it(
  'show a certificate that is mounted anew, both of them, and no request fails',
  async () => {
    const { gateway, mount, first, port } = await setUp()
    expect(await shownTo(40, port)).toEqual(new Set([idOf(first)]))
    const statuses: (number | undefined)[] = []
    let isOver = false
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) statuses.push(await get(port))
    })
    const next = createSelfSigned(['localhost'])
    await mount(next)
    await expect.poll(() => shownTo(40, port)).toEqual(new Set([idOf(next)]))
    isOver = true
    await Promise.all(load)
    expect(statuses.length).toBeGreaterThan(10)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(gateway.logs()).not.toContain('"level":"error"')
  },
  TIMEOUT_MS,
)

it(
  'send traces, each in its own name, and end in time though nobody takes the last ones',
  async () => {
    const { gateway, port, receiver } = await setUp()
    const senders = () =>
      new Set(
        receiver.spans
          .filter(({ name }) => name === `GET ${PATH}`)
          .map(({ resource }) => resource['service.instance.id']),
      )
    await expect
      .poll(async () => {
        await Promise.all(Array.from({ length: 20 }, () => get(port)))
        return senders().size
      })
      .toBe(2)
    await receiver.close()
    await get(port)
    const startedAt = performance.now()
    expect(await gateway.stop()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  },
  TIMEOUT_MS,
)
