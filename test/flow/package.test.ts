/** What `npm pack` makes, unpacked where nothing of the repository is. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { mintKey } from '../../src/domain/key-ring.ts'
import { startPlainBackend } from '../fault/backend.ts'
import { call, signIn } from '../fault/client.ts'
import { findFreePorts } from '../support/free-port.ts'
import { startGatewayFrom } from '../support/gateway-process.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { startRedis } from '../support/redis.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const BIN = 'bin/mcp-auth-gateway.js'
const TIMEOUT_MS = 120_000

let root: string
let tarball: { size: number; unpackedSize: number; paths: string[] }

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-pack-'))
  const args = ['pack', '--json', '--pack-destination', folder]
  const { stdout } = await run('npm', args, { cwd: ROOT })
  const [packed] = Object.values<{
    filename: string
    size: number
    unpackedSize: number
    files: { path: string }[]
  }>(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))))
  const { filename, files, ...sizes } = packed!
  tarball = { ...sizes, paths: files.map(({ path }) => path) }
  await run('tar', ['xzf', join(folder, filename), '-C', folder])
  // As npm installs it: below node_modules, where Node strips no types.
  root = join(folder, 'node_modules', packageJson.name)
  await mkdir(join(folder, 'node_modules'))
  await cp(join(folder, 'package'), root, { recursive: true })
  await linkDependencies(join(folder, 'node_modules'))
  return () => rm(folder, { recursive: true })
}, TIMEOUT_MS)

/** The dependencies of the process and theirs, and nothing of development. */
async function linkDependencies(modules: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  const needed = Object.entries(lock.packages).flatMap(([path, { dev }]) =>
    /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !dev ? [path.slice(13)] : [],
  )
  for (const name of needed) {
    if (name.includes('/')) await mkdir(join(modules, name, '..'), { recursive: true })
    await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  }
}

/** The command, with a Node that could not strip types if it wanted to. */
function gateway(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  return run(process.execPath, ['--no-strip-types', join(root, BIN), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH },
  }).then(
    output => ({ ...output, code: 0 }),
    error => error as { stdout: string; stderr: string; code: number },
  )
}

describe('the package', () => {
  it('has what runs and what describes it, and nothing of development', () => {
    const { paths } = tarball
    const foreign = paths.filter(path => !/^dist\/.+\.js$/.test(path))
    expect(foreign.toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      BIN,
      'deploy/gateway.example.yaml',
      'gateway.schema.json',
      'package.json',
    ])
    expect(paths.filter(path => /test|^dist\/dev\/|\.map$|generate/.test(path))).toEqual([])
    expect(paths.length).toBeGreaterThan(200)
  })

  it('is small', () => {
    expect(tarball.size).toBeLessThan(500_000)
    expect(tarball.unpackedSize).toBeLessThan(2_000_000)
  })

  it('leaves nothing behind in the checkout', async () => {
    expect(await readdir(ROOT)).not.toContain('dist')
  })

  it('refers to no source: neither a TypeScript file nor a map', async () => {
    for (const path of tarball.paths.filter(one => one.startsWith('dist/'))) {
      const text = await readFile(join(root, path), 'utf8')
      expect([
        path,
        ...(text.match(/sourceMappingURL|(?:from|import\() ?'\.[^']*\.ts'/g) ?? []),
      ]).toEqual([path])
    }
  })

  it('says its version and its commands', async () => {
    expect((await gateway('--version')).stdout).toBe(`${packageJson.version}\n`)
    const { stdout, code } = await gateway('--help')
    expect(code).toBe(0)
    for (const command of ['start', 'check', 'keys', 'doctor', 'revoke']) {
      expect(stdout).toContain(`  ${command}`)
    }
    expect(stdout).not.toContain('worker')
  })

  it('has an example that is right once its secrets are there', async () => {
    const example = await readFile(join(root, 'deploy/gateway.example.yaml'), 'utf8')
    for (const name of ['gateway-key', 'client-secret']) {
      await writeFile(join(root, name), mintKey())
    }
    await writeFile(join(root, 'filled.yaml'), example.replaceAll('/run/secrets/', './'))
    const { stderr } = await gateway('check', '--config', 'filled.yaml')
    expect(stderr).toMatch(/REDIS_URL.*CLIENT_ID.*2 faults/s)
    const filled = example
      .replaceAll('/run/secrets/', './')
      .replace(/\$\{REDIS_URL\}/, 'redis://redis')
      .replace(/\$\{CLIENT_ID\}/, 'gateway')
    await writeFile(join(root, 'filled.yaml'), filled)
    expect(await gateway('check', '--config', 'filled.yaml')).toMatchObject({ code: 0 })
  })

  it('says of the development IdP that it is not there, and what to do, with exit code 2', async () => {
    const config = join(ROOT, 'gateway.config.yaml')
    const { code, stdout, stderr } = await gateway('start', '--config', config)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^provider: dev is only in a checkout .*\n$/)
  })

  it.each([1, 2])(
    'starts as in production with %i process(es), and lets somebody in',
    async workers => {
      const [port, opsPort] = await findFreePorts(2)
      const origin = `http://127.0.0.1:${port}`
      const redis = await startRedis()
      onTestFinished(redis.stop)
      const idp = await startOidcProvider({ redirectUris: [`${origin}/callback`] })
      onTestFinished(idp.close)
      const backend = await startPlainBackend()
      onTestFinished(backend.close)
      const { issuer, clientId, clientSecret } = idp
      const file = join(root, `gateway-${workers}.yaml`)
      const config = {
        publicUrl: origin,
        listen: { host: '127.0.0.1', port },
        ops: { port: opsPort },
        keys: [mintKey()],
        redis: { url: redis.url },
        upstream: { provider: 'oidc', issuer, clientId, clientSecret },
        backends: [{ path: '/crm/mcp', instances: [backend.url] }],
        workers,
      }
      await writeFile(file, stringify(config))
      const process = await startGatewayFrom(file, {
        ...{ root, script: BIN, nodeArgs: ['--no-strip-types'] },
        env: { NODE_ENV: 'production' },
      })
      onTestFinished(process.kill)
      const session = await signIn({ front: { origin } })
      expect(await call(session, { origin })).toMatchObject({ status: 200 })
      expect(backend.calls).toHaveLength(1)
      expect(await process.stop()).toBe(0)
      expect(process.logs()).not.toMatch(/Warning|"level":"error"/)
    },
    TIMEOUT_MS,
  )
})
