import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { stringify } from 'yaml'
import { findFreePorts } from '../support/free-port.ts'
import { runGateway, startGateway } from '../support/gateway-process.ts'

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
