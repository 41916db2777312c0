import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { stringify } from 'yaml'
import { listen } from '../../src/dev/listen.ts'
import { mintKey } from '../../src/domain/key-ring.ts'
import { refresh, signIn } from '../fault/client.ts'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGatewayFrom } from '../support/gateway-process.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait-for.ts'

vi.setConfig({ testTimeout: 60_000 })

type Config = Record<string, unknown>

/** A backend that says who it is, and waits for the test where the query says so. */
async function startBackend(name: string) {
  const waiting: (() => void)[] = []
  const server = createServer((req, res) => {
    const answer = () =>
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ name }))
    req.resume().on('end', () => (req.url?.includes('wait') ? waiting.push(answer) : answer()))
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  onTestFinished(async () => {
    server.closeAllConnections()
    await close()
  })
  return { url: `${origin}/mcp`, waiting }
}

/** A gateway whose configuration stands in a folder, as a ConfigMap does: behind a link that can be turned. */
async function setUp(more: Config) {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [port, opsPort] = await findFreePorts(2)
  const origin = `http://127.0.0.1:${port}`
  const redis = await startRedis()
  onTestFinished(redis.stop)
  const idp = await startOidcProvider({
    redirectUris: [`${origin}/callback`],
    accessTokenTtlSeconds: 600,
  })
  onTestFinished(idp.close)
  const [one, two] = [await startBackend('one'), await startBackend('two')]
  const base: Config = {
    publicUrl: origin,
    keys: ['file:key'],
    listen: { host: '127.0.0.1', port },
    ops: { port: opsPort },
    redis: { url: redis.url },
    upstream: {
      ...{ provider: 'oidc', issuer: idp.issuer },
      ...{ clientId: idp.clientId, clientSecret: idp.clientSecret },
    },
    backends: [{ path: '/crm/mcp', instances: [one.url] }],
    ...more,
  }
  let version = 0
  /** All files of a version at once, by turning the link. */
  const publish = async (text: Config | string, key: string) => {
    version += 1
    const data = join(folder, `..${version}`)
    await mkdir(data)
    await writeFile(join(data, 'gateway.yaml'), typeof text === 'string' ? text : stringify(text))
    await writeFile(join(data, 'key'), key)
    await symlink(data, join(folder, '..next'))
    await rename(join(folder, '..next'), join(folder, '..data'))
  }
  const key = mintKey()
  await publish(base, key)
  for (const file of ['gateway.yaml', 'key'])
    await symlink(join('..data', file), join(folder, file))
  const gateway = await startGatewayFrom(join(folder, 'gateway.yaml'))
  onTestFinished(gateway.kill)
  return { gateway, publish, base, key, one, two, front: { origin }, redis }
}

function says(gateway: GatewayProcess, text: string, count = 1) {
  return waitFor(() => gateway.logs().split(text).length > count, {
    what: `the log to say ${text}`,
    timeoutMs: 10_000,
  })
}

async function call(origin: string, token: string, search = '') {
  const response = await fetch(`${origin}/crm/mcp${search}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  })
  const text = await response.text()
  return {
    status: response.status,
    name: text.startsWith('{"name"') ? JSON.parse(text).name : text,
  }
}

const RELOADED = 'configuration reloaded'
const REFUSED = 'the configuration was not reloaded'

describe.each([
  ['one process', {}],
  ['two workers', { workers: 2 }],
])('a reload of %s', (_, more) => {
  it('loses no request under load: what is under way finishes on the old, what comes gets the new', async () => {
    const { gateway, publish, base, key, one, two, front } = await setUp(more)
    const { accessToken } = await signIn({ front })
    const slow = call(front.origin, accessToken, '?wait')
    await waitFor(() => one.waiting.length === 1, { what: 'the slow call to arrive' })
    const answers: { status: number; name: string }[] = []
    let isOver = false
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) answers.push(await call(front.origin, accessToken))
    })
    for (let round = 1; round <= 4; round += 1) {
      const instances = [round % 2 ? two.url : one.url]
      await publish({ ...base, backends: [{ path: '/crm/mcp', instances }] }, key)
      await says(gateway, RELOADED, round)
      const seen = answers.length
      await waitFor(() => answers.length > seen + 50, { what: 'requests after the reload' })
    }
    isOver = true
    await Promise.all(load)
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(new Set(answers.map(({ name }) => name))).toEqual(new Set(['one', 'two']))
    one.waiting[0]?.()
    expect(await slow).toEqual({ status: 200, name: 'one' })
    expect(gateway.logs()).not.toContain('"level":"error"')
  })

  it('of a broken file keeps the old, says why once, and counts it', async () => {
    const { gateway, publish, base, key, one, two, front } = await setUp(more)
    const { accessToken } = await signIn({ front })
    await publish({ ...base, backend: [] }, key)
    await says(gateway, REFUSED)
    await expect
      .poll(gateway.logs)
      .toMatch(/gateway\.yaml:\d+:1 {2}backend {2}unknown key; did you mean/)
    expect(await call(front.origin, accessToken)).toEqual({ status: 200, name: 'one' })
    const metrics = async () => (await fetch(`${gateway.opsOrigin}/metrics`)).text()
    expect(await metrics()).toContain('mcp_gateway_config_last_reload_successful 0')
    await publish('backends: [', key)
    await says(gateway, REFUSED, 2)
    expect(await call(front.origin, accessToken)).toEqual({ status: 200, name: 'one' })
    await publish({ ...base, backends: [{ path: '/crm/mcp', instances: [two.url] }] }, key)
    await says(gateway, RELOADED)
    expect(await call(front.origin, accessToken)).toEqual({ status: 200, name: 'two' })
    expect(await metrics()).toContain('mcp_gateway_config_last_reload_successful 1')
    expect(await metrics()).toContain('mcp_gateway_config_reloads_total{result="failure"} 2')
    expect(one.waiting).toEqual([])
  })

  it('reads key files again: a new key in front makes, the old one still opens', async () => {
    const { gateway, publish, base, key, front } = await setUp(more)
    const session = await signIn({ front })
    const newKey = mintKey()
    await publish({ ...base, keys: ['file:key', key] }, newKey)
    await says(gateway, RELOADED)
    expect((await call(front.origin, session.accessToken)).status).toBe(200)
    const renewed = await refresh(session, front)
    expect(renewed.status).toBe(200)
    const kidOf = (token = '') =>
      JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid
    expect(kidOf(renewed.body.access_token)).not.toBe(kidOf(session.accessToken))
    await publish({ ...base, keys: ['file:key'] }, newKey)
    await says(gateway, RELOADED, 2)
    expect((await call(front.origin, session.accessToken)).status).toBe(401)
    expect((await call(front.origin, renewed.body.access_token!)).status).toBe(503)
  })

  it('comes with SIGHUP too, and names the settings that need a restart', async () => {
    const { gateway, publish, base, key, front } = await setUp(more)
    const { accessToken } = await signIn({ front })
    process.kill(gateway.pid, 'SIGHUP')
    await says(gateway, RELOADED)
    await publish({ ...base, keepAlive: '10s', listen: { port: 1 } }, key)
    await says(gateway, 'need a restart')
    await expect.poll(gateway.logs).toContain('"settings":["listen","keepAlive"]')
    expect((await call(front.origin, accessToken)).status).toBe(200)
  })
})
