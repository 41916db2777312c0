import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTopology, type Topology } from '../support/topology/start.ts'

const ROOT = join(import.meta.dirname, '../..')

let topology: Topology

beforeAll(async () => {
  topology = await startTopology(join(ROOT, 'deploy/compose.yaml'))
}, 60_000)

afterAll(() => topology?.close())

function runDemo(url: string): Promise<{ code: number; stdout: string }> {
  const args = ['src/dev/demo.ts', '--url', url, '--instances', '2']
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string }>()
  execFile(process.execPath, args, { cwd: ROOT }, (error, stdout) => {
    resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout })
  })
  return promise
}

describe('the topology of the compose file', () => {
  it.each(['crm', 'wiki'])('lets the demo flow pass through it to %s', async name => {
    const balancer = topology.services.get('load-balancer')!
    const port = new URL(balancer.origin(8080)).port
    const { code, stdout } = await runDemo(`http://localhost:${port}/${name}/mcp`)
    expect(code, stdout).toBe(0)
    expect(stdout).toContain(`answered by ${name}-1`)
    expect(stdout).toContain(`answered by ${name}-2`)
  })

  it('has every replica take a part of it', async () => {
    for (const name of ['gateway-1', 'gateway-2', 'gateway-3']) {
      await expect.poll(topology.services.get('load-balancer')!.logs).toContain(` ${name} `)
      await expect.poll(topology.services.get(name)!.logs).toContain('"audit":true')
    }
  })

  it('keeps codes and states out of the log of the load balancer', () => {
    const log = topology.services.get('load-balancer')!.logs()
    expect(log).toContain('GET /callback')
    expect(log).not.toContain('?')
  })
})
