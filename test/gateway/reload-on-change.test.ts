import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { reloadOnChange } from '../../src/gateway/reload-on-change.ts'
import { createLogger } from '../../src/observability/log.ts'
import { waitFor } from '../support/wait-for.ts'

const CONFIG = `
publicUrl: https://mcp.example.com
upstream: { provider: oidc, issuer: https://idp.example.com, clientId: a, clientSecret: "file:secret" }
backends: [{ path: /crm/mcp, instances: [http://crm:8080/mcp] }]
`

/** A folder with a configuration that was read, and the secrets of those that were put into effect since it is followed. */
async function setUp() {
  const parent = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  const folder = join(parent, 'config')
  const write = async (secret: string, to = folder): Promise<void> => {
    await mkdir(to, { recursive: true })
    await writeFile(join(to, 'secret'), secret)
    await writeFile(join(to, 'gateway.config.yaml'), CONFIG)
  }
  await write('first')
  const file = join(folder, 'gateway.config.yaml')
  const files = new Map<string, string>()
  loadConfig(file, {}, (path, text) => files.set(path, text))
  const applied: (string | undefined)[] = []
  const follow = (): void => {
    const stop = reloadOnChange({
      ...{ file, files, env: {}, count: () => {}, logger: createLogger('silent') },
      apply(_config, fresh) {
        applied.push(fresh.get(join(folder, 'secret')))
        return []
      },
    })
    onTestFinished(stop)
  }
  return { folder, write, follow, applied }
}

describe('a change of the configuration', () => {
  it('comes into effect when it came between the reading and the end of the start', async () => {
    const { write, follow, applied } = await setUp()
    await write('second')
    follow()
    await waitFor(() => applied.length > 0, { what: 'a reload' })
    expect(applied).toEqual(['second'])
  })

  it('comes into effect in a folder that has taken the place of another', async () => {
    const { folder, write, follow, applied } = await setUp()
    follow()
    await write('second', `${folder}-next`)
    await rename(folder, `${folder}-before`)
    await rename(`${folder}-next`, folder)
    await waitFor(() => applied.at(-1) === 'second', { what: 'a reload' })
    await write('third')
    await waitFor(() => applied.at(-1) === 'third', { what: 'another reload' })
  })
})
