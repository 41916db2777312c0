import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { stringify } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { findFreePorts } from '../support/free-port.ts'
import { runGateway, startGateway } from '../support/gateway-process.ts'

vi.setConfig({ testTimeout: 60_000 })

it('a second gateway on the same ports ends with 1 and one line that names the port', async () => {
  const [port, ops, idp, instance] = await findFreePorts(4)
  const config = {
    publicUrl: `http://localhost:${port}`,
    listen: { port },
    ops: { port: ops },
    upstream: { provider: 'dev', port: idp },
    backends: [{ path: '/demo/mcp', instances: [`http://127.0.0.1:${instance}/mcp`] }],
  }
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  const file = join(folder, 'gateway.config.yaml')
  await writeFile(file, stringify(config))
  const first = await startGateway({ config })
  try {
    const { code, output } = await runGateway(['start', '--config', file])
    expect(code).toBe(1)
    expect(output).toBe(
      `port ${idp} of 127.0.0.1 is in use (EADDRINUSE); is a gateway running already?\n`,
    )
  } finally {
    await first.stop()
    await rm(folder, { recursive: true })
  }
})

it('workers look for a stranger on their port before they share it', async () => {
  const [port, ops] = await findFreePorts(2)
  const stranger = createServer().listen(port, '127.0.0.1')
  onTestFinished(() => void stranger.close())
  await once(stranger, 'listening')
  const config = {
    publicUrl: `http://localhost:${port}`,
    listen: { host: '127.0.0.1', port },
    ops: { port: ops },
    keys: [mintKey()],
    redis: { url: 'redis://127.0.0.1:1' },
    upstream: {
      ...{ provider: 'oidc', issuer: 'https://login.example.com' },
      ...{ clientId: 'gateway', clientSecret: 'secret' },
    },
    backends: [{ path: '/demo/mcp', instances: ['http://127.0.0.1:2/mcp'] }],
    workers: 2,
  }
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'gateway.config.yaml')
  await writeFile(file, stringify(config))
  expect(await runGateway(['start', '--config', file])).toEqual({
    code: 1,
    output: `port ${port} of 127.0.0.1 is in use (EADDRINUSE); is a gateway running already?\n`,
  })
})
