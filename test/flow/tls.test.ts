import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGatewayFrom } from '../support/gateway-process.ts'
import { idOf, mountCertificate, openTls, shownBy } from '../support/mounted-certificate.ts'
import { createSelfSigned } from '../support/self-signed.ts'
import { waitFor } from '../support/wait-for.ts'

const METADATA = '/.well-known/oauth-authorization-server'

/** A gateway whose certificate is mounted. */
async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [port, opsPort] = await findFreePorts(2)
  const first = createSelfSigned(['localhost'])
  const mount = await mountCertificate(folder, first)
  const base = {
    publicUrl: `https://localhost:${port}`,
    listen: { host: '127.0.0.1', port, tls: { cert: 'file:tls.crt', key: 'file:tls.key' } },
    ops: { port: opsPort },
    upstream: {
      ...{ provider: 'oidc', issuer: 'https://login.example.com' },
      ...{ clientId: 'gateway', clientSecret: 'secret' },
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
  }
  const file = join(folder, 'gateway.yaml')
  await writeFile(file, stringify(base))
  const gateway = await startGatewayFrom(file)
  onTestFinished(gateway.kill)
  return { gateway, mount, first, port: port!, file, base }
}

function get(agent: Agent, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const req = request({ agent, port, host: '127.0.0.1', path: METADATA }, res => {
      res.resume().on('end', () => resolve(res.statusCode))
    })
    req.on('error', reject).end()
  })
}

const says = (gateway: GatewayProcess, text: string) =>
  waitFor(() => gateway.logs().includes(text), {
    what: `the log to say ${text}`,
    timeoutMs: 10_000,
  })

describe('a certificate that is mounted anew', () => {
  it('is shown to new connections without a failed request; open ones go on', async () => {
    const { gateway, mount, first, port } = await setUp()
    const old = await openTls(port)
    // Half of the load opens a connection for each request, half keeps its own.
    const agents = [true, false].map(
      keepAlive => new Agent({ keepAlive, maxSockets: 2, rejectUnauthorized: false }),
    )
    for (const agent of agents) onTestFinished(() => agent.destroy())
    const statuses: (number | undefined)[] = []
    let isOver = false
    const load = [...agents, ...agents].map(async agent => {
      while (!isOver) statuses.push(await get(agent, port))
    })
    expect(await shownBy(port)).toBe(idOf(first))
    for (let round = 1; round <= 3; round += 1) {
      const next = createSelfSigned(['localhost'])
      await mount(next)
      await waitFor(async () => (await shownBy(port)) === idOf(next), {
        what: 'the new certificate to be shown',
        timeoutMs: 10_000,
      })
      const seen = statuses.length
      await waitFor(() => statuses.length > seen + 50, { what: 'requests after the change' })
    }
    isOver = true
    await Promise.all(load)
    expect(new Set(statuses)).toEqual(new Set([200]))
    old.write(`GET ${METADATA} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const [answer] = await once(old, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 /)
    expect(gateway.logs()).not.toContain('"level":"error"')
  })

  it('is not taken where it does not fit its key: the old one stays, and the log says why', async () => {
    const { gateway, mount, first, port } = await setUp()
    const next = createSelfSigned(['localhost'])
    await mount({ cert: next.cert, key: first.key })
    await says(gateway, 'the configuration was not reloaded')
    await expect.poll(gateway.logs).toContain('listen.tls.key')
    await expect.poll(gateway.logs).toContain('is not the key of the certificate')
    expect(await shownBy(port)).toBe(idOf(first))
    await mount(next)
    await says(gateway, 'configuration reloaded')
    expect(await shownBy(port)).toBe(idOf(next))
    expect(gateway.logs()).not.toContain('PRIVATE KEY')
  })

  it('cannot be taken away, nor joined by a client authority, without a restart', async () => {
    const { gateway, first, port, file, base } = await setUp()
    const tls = { ...base.listen.tls, clientCa: 'file:tls.crt' }
    await writeFile(file, stringify({ ...base, listen: { ...base.listen, tls } }))
    await says(gateway, '"settings":["listen"]')
    expect(await shownBy(port)).toBe(idOf(first))
  })

  it('does not keep the gateway from draining: idle connections end', async () => {
    const { gateway, port } = await setUp()
    const idle = await openTls(port)
    idle.write(`GET ${METADATA} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await once(idle, 'data')
    const closed = once(idle, 'close')
    expect(await gateway.stop()).toBe(0)
    await closed
  })
})
