import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { blocksOf, ROOT, readPage } from '../docs/pages.ts'
import { findFaults } from '../support/helm/kubernetes.ts'
import { createChartRenderer, type Rendered } from '../support/helm/render.ts'
import { readValuesSchema } from '../support/helm/values-schema.ts'
import { readCompose } from '../support/topology/compose.ts'

const CHART = join(ROOT, 'deploy/helm/mcp-auth-gateway')
const run = promisify(execFile)

const blocks = blocksOf(readPage('docs/deployment.md'))
const commands = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.trim().split('\n'))

let folder: string
let rendered: Rendered
let values: unknown

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-docs-'))
  const written = blocks.find(({ text }) => text.startsWith('# values.yaml'))
  values = parse(written?.text ?? '')
  const renderer = await createChartRenderer()
  rendered = await renderer.render(CHART, values as Record<string, unknown>)
  await renderer.close()
}, 180_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

function find(beginning: string): string {
  const found = commands.find(command => command.startsWith(beginning))
  if (found === undefined) throw new Error(`not in the page: ${beginning}`)
  return found
}

describe('docs/deployment.md', () => {
  it('makes secrets that the gateway takes', async () => {
    await mkdir(join(folder, 'deploy/compose'), { recursive: true })
    await run('sh', ['-c', find('for name in gateway-key')], { cwd: folder })
    const key = (await readFile(join(folder, 'deploy/compose/gateway-key'), 'utf8')).trim()
    expect(() => createKeyRing([Buffer.from(key, 'base64')])).not.toThrow()
    expect(Buffer.from(key, 'base64')).toHaveLength(32)
    expect(existsSync(join(folder, 'deploy/compose/client-secret'))).toBe(true)
  })

  it('names services that the compose file has', () => {
    const names = readCompose(join(ROOT, 'deploy/compose.yaml')).map(({ name }) => name)
    const named = find('docker compose -f deploy/compose.yaml build').split(' build ')[1]
    expect(names).toEqual(expect.arrayContaining(named?.split(' ') ?? []))
  })

  it('tags images with the version of the package', () => {
    for (const beginning of ['docker build', 'docker push', 'docker run --rm']) {
      expect(find(beginning)).toContain(`mcp-auth-gateway:${packageJson.version}`)
    }
  })

  it('puts a command of the program behind the name of the image', async () => {
    const command = find('docker run --rm').split(' ').at(-1) ?? ''
    const { stdout } = await run(process.execPath, ['src/main.ts', command], { cwd: ROOT })
    expect(Buffer.from(stdout, 'base64')).toHaveLength(32)
  })

  it('has values that the chart takes, and secrets that the Secret has', async () => {
    expect((await readValuesSchema(CHART)).safeParse(rendered.values).error?.issues).toBeUndefined()
    for (const manifest of rendered.manifests) expect(await findFaults(manifest)).toEqual([])
    const secrets = find('kubectl --namespace mcp create secret')
    const referred = [...JSON.stringify(values).matchAll(/mcp-auth-gateway\/([\w-]+)"/g)]
    const files = referred.map(([, name]) => name).filter(name => name !== 'mcp-auth-gateway')
    expect(files.length).toBe(3)
    for (const file of files) expect(secrets).toContain(`--from-literal=${file}=`)
  })

  it('names the deployment that the chart makes under that name', () => {
    const release = /--install (\S+) (\S+)/.exec(find('helm upgrade'))
    expect(existsSync(join(ROOT, release?.[2] ?? 'nothing', 'Chart.yaml'))).toBe(true)
    // The tests' release is another one.
    const made = rendered.manifests.find(({ kind }) => kind === 'Deployment')?.metadata.name
    const name = made?.replace(/^gw/, release?.[1] ?? '')
    expect(find('kubectl --namespace mcp rollout')).toContain(`deployment/${name}`)
    expect(find('kubectl --namespace mcp exec')).toContain(`deployment/${name} -- `)
  })

  it('asks the program in the pod for a command that it has', async () => {
    const words = find('kubectl --namespace mcp exec').split(' -- node ')[1]?.split(' ') ?? []
    const args = words.slice(0, 2)
    const { stdout } = await run(process.execPath, [...args, '--help'], { cwd: ROOT })
    expect(stdout).toContain('--config')
    expect(words[2]).toBe('--config')
  })

  it.each(['nginx -t -c', 'haproxy -c -f', 'caddy validate'])(
    'asks a load balancer to check its sample in words that it knows: %s',
    beginning => {
      const [program = '', ...args] = find(beginning).split(' ')
      const file = args.pop() ?? ''
      const sample = join(ROOT, 'deploy/proxies', file.split('/').at(-1) ?? '')
      expect(existsSync(sample)).toBe(true)
      const { stderr, stdout } = spawnSync(program, [...args, sample], {
        encoding: 'utf8',
        env: { ...process.env, HOME: folder },
      })
      const output = stdout + stderr
      // The samples name hosts and a certificate that are not here; whatever else is wrong would be said.
      expect(output).toMatch(
        /host not found|mcp\.example\.com|could not resolve|Valid configuration/,
      )
      expect(output).not.toMatch(/unknown|unrecognized|usage/i)
    },
  )
})
