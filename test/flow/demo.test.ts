import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { findFreePorts } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'

const ROOT = join(import.meta.dirname, '../..')
/** In the order of the flow; each is the beginning of a numbered line. */
const STEPS = [
  'Discover',
  'Register',
  'Authorize',
  'Consent',
  'Sign in',
  'Token',
  'List tools',
  'Call whoami',
  'Call add',
  'Call slow_count',
  'Refresh',
  'Revoke',
]

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-demo-'))
})

afterAll(() => rm(folder, { recursive: true }))

async function createConfig() {
  const [port, ops, idp, one, two] = await findFreePorts(5)
  return {
    publicUrl: `http://localhost:${port}`,
    listen: { port },
    ops: { port: ops },
    upstream: { provider: 'dev', port: idp, sampleBackends: true },
    backends: [
      {
        path: '/demo/mcp',
        instances: [`http://127.0.0.1:${one}/mcp`, `http://127.0.0.1:${two}/mcp`],
      },
    ],
  }
}

async function runDemo(config: object): Promise<{ code: number; stdout: string }> {
  const file = join(folder, `${crypto.randomUUID()}.yaml`)
  await writeFile(file, stringify(config))
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string }>()
  const env = { PATH: process.env.PATH }
  const args = ['src/dev/demo.ts', '--config', file]
  execFile(process.execPath, args, { cwd: ROOT, env }, (error, stdout) => {
    resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout })
  })
  return promise
}

function stepsOf(stdout: string): string[] {
  return [...stdout.matchAll(/^ +(\d+) {2}([^:\n]+)/gm)].map(([, , title = '']) => title)
}

describe('npm run demo', () => {
  it('starts a gateway where none runs, does every step, ends with 0, and stops the gateway', async () => {
    const config = await createConfig()
    const { code, stdout } = await runDemo(config)
    expect({ code, steps: stepsOf(stdout) }, stdout).toEqual({ code: 0, steps: STEPS })
    expect(stdout).toContain('answered by demo-1')
    expect(stdout).toContain('answered by demo-2')
    expect(stdout).toMatch(/3 of 3\n/)
    expect(stdout).toContain('refused with        ')
    expect(stdout).toContain('invalid_grant')
    await expect(fetch(config.publicUrl)).rejects.toThrow()
  })

  it('uses the gateway that runs, and leaves it running', async () => {
    const config = await createConfig()
    const gateway = await startGateway({ config })
    try {
      const { code, stdout } = await runDemo(config)
      expect({ code, steps: stepsOf(stdout) }, stdout).toEqual({ code: 0, steps: STEPS })
      expect(stdout).toContain('The gateway that runs at')
      expect((await fetch(config.publicUrl)).status).toBe(200)
    } finally {
      expect(await gateway.stop()).toBe(0)
    }
  })

  it('prints no token, code, verifier or id in full', async () => {
    const { stdout } = await runDemo(await createConfig())
    expect(stdout).toContain('refresh token')
    // Words of the protocol are long too, but in lower case.
    const long = stdout.match(/[\w-]{20,}/g) ?? []
    expect(long.filter(text => /[A-Z\d]/.test(text))).toEqual([])
  })

  it.each([
    [
      'the provider is another one',
      (config: object) => ({
        ...config,
        upstream: {
          provider: 'oidc',
          issuer: 'https://login.example.com',
          clientId: 'gateway',
          clientSecret: 'secret',
        },
      }),
      'it signs in at the embedded IdP, and that is not the upstream',
    ],
    [
      'the configuration is wrong',
      (config: object) => ({ ...config, publicUrl: 'http://example.com' }),
      'publicUrl',
    ],
    [
      'the gateway does not start',
      (config: object) => ({ ...config, ops: { host: '192.0.2.1', port: 1 } }),
      'the gateway did not start',
    ],
  ])('ends with 1 and the reason where %s', async (_, change, reason) => {
    const { code, stdout } = await runDemo(change(await createConfig()))
    expect(code).toBe(1)
    expect(stdout).toContain('The demo failed:')
    expect(stdout).toContain(reason)
  })

  it('ends with 1 where something else answers at the public URL', async () => {
    const config = await createConfig()
    const gateway = await startGateway({ config })
    try {
      const { code, stdout } = await runDemo({
        ...config,
        publicUrl: config.publicUrl.replace('localhost', '127.0.0.1'),
      })
      expect(code).toBe(1)
      expect(stdout).toContain('it is not this gateway')
    } finally {
      await gateway.stop()
    }
  })
})
