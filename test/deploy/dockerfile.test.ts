import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import packageLock from '../../package-lock.json' with { type: 'json' }
import { mintKey } from '../../src/domain/key-ring.ts'
import { type BuiltImage, buildImage, listFiles } from '../support/docker/build.ts'
import { parseDockerfile } from '../support/docker/parse.ts'
import { startContainer } from '../support/docker/run.ts'
import { findFreePorts } from '../support/free-port.ts'
import { waitFor } from '../support/wait-for.ts'

const ROOT = join(import.meta.dirname, '../..')
const CONFIG = '/etc/mcp-auth-gateway/gateway.config.yaml'
/** It installs from the registry. */
const BUILD_TIMEOUT_MS = 5 * 60_000

let folder: string
let image: BuiltImage

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-image-'))
  // The image's user comes from outside.
  await chmod(folder, 0o755)
  const stages = parseDockerfile(await readFile(join(ROOT, 'Dockerfile'), 'utf8'))
  image = await buildImage(stages, stages.at(-1)!.name, { context: ROOT, folder })
}, BUILD_TIMEOUT_MS)

afterAll(() => rm(folder, { recursive: true, force: true }))

async function mountConfig(): Promise<{ port: number; ops: number }> {
  const [port = 0, ops = 0] = await findFreePorts(2)
  const config = {
    publicUrl: 'https://mcp.example.com',
    listen: { host: '127.0.0.1', port },
    ops: { port: ops },
    keys: [mintKey()],
    upstream: {
      provider: 'oidc',
      issuer: 'https://login.example.com',
      clientId: 'gateway',
      clientSecret: 'a-secret',
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
  }
  await mkdir(join(image.root, 'etc/mcp-auth-gateway'), { recursive: true })
  await writeFile(join(image.root, CONFIG), stringify(config))
  return { port, ops }
}

describe('the image', () => {
  it('has what runs in production, and no development dependency', async () => {
    const isInstalled = (path: string) => existsSync(join(image.root, 'app', path))
    const direct = Object.keys(packageJson.dependencies).map(name => `node_modules/${name}`)
    expect(direct.filter(path => !isInstalled(path))).toEqual([])
    const { packages } = packageLock as { packages: Record<string, { dev?: boolean }> }
    const development = Object.keys(packages).filter(path => packages[path]?.dev)
    expect(development.length).toBeGreaterThan(100)
    expect(development.filter(isInstalled)).toEqual([])
  })

  it('has neither tests, documents, the development identity provider nor anything else', async () => {
    const files = await listFiles(image)
    const tops = new Set(files.map(file => file.split('/')[0]))
    expect([...tops].sort()).toEqual(['LICENSE', 'node_modules', 'package.json', 'src'])
    expect(files).toContain('src/main.ts')
    expect(files.filter(file => file.startsWith('src/dev'))).toEqual([])
  })

  it('says what it is, in the version of the package', () => {
    expect(image.labels).toMatchObject({
      'org.opencontainers.image.title': packageJson.name,
      'org.opencontainers.image.description': packageJson.description,
      'org.opencontainers.image.version': packageJson.version,
      'org.opencontainers.image.licenses': packageJson.license,
    })
  })

  it('runs as a user that is not root, by number', () => {
    expect(image.user?.uid).toBeGreaterThan(0)
    expect(image.user?.gid).toBeGreaterThan(0)
  })

  it('serves with nothing on the path but node, writing nowhere, and ends with 0 at SIGTERM', async () => {
    const { port, ops } = await mountConfig()
    const container = startContainer(image)
    try {
      await waitFor(async () => (await fetch(`http://127.0.0.1:${ops}/readyz`)).status === 200, {
        what: 'the container to be ready',
        timeoutMs: 20_000,
      }).catch(cause => {
        throw new Error(container.logs(), { cause })
      })
      expect(await container.isHealthy({ 9090: ops })).toBe(true)
      expect(await container.isHealthy({ 9090: 1 })).toBe(false)
      const refused = await fetch(`http://127.0.0.1:${port}/crm/mcp`, { method: 'POST' })
      expect(refused.status).toBe(401)
    } finally {
      expect(await container.stop(), container.logs()).toBe(0)
    }
  })

  it('cannot be told to lend its development identity provider', async () => {
    await mountConfig()
    const dev = {
      publicUrl: 'http://localhost:8080',
      upstream: { provider: 'dev' },
      backends: [{ path: '/demo/mcp', instances: ['http://127.0.0.1:9101/mcp'] }],
    }
    await writeFile(join(image.root, CONFIG), stringify(dev))
    const container = startContainer(image)
    expect(await container.exited).toBe(2)
    expect(container.logs()).toContain('refused with NODE_ENV=production')
  })
})

describe('the Dockerfile', () => {
  it('is followed command by command', () => {
    // What the final stage is made of has run; the development target has not.
    expect(existsSync(join(folder, 'dependencies'))).toBe(true)
    expect(existsSync(join(folder, 'development'))).toBe(false)
  })
})
