/** Runs the commands of the pages as they stand there; only names of hosts, files and people are those of the installation that the test has started. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { commandsOf, type Expectation, findRow } from '../docs/commands.ts'
import { blocksOf, ROOT, readPage, readPages } from '../docs/pages.ts'
import { register, type Session, signIn } from '../fault/client.ts'
import { findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGatewayFrom } from '../support/gateway-process.ts'
import { startLegacyBackend } from '../support/legacy-backend.ts'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait-for.ts'

const TIMEOUT_MS = 60_000
const SECRET = 'the-secret-of-the-nightly-batch-of-the-documents'

const runnable = [
  ...new Set(
    readPages()
      .flatMap(commandsOf)
      .map(({ text }) => text),
  ),
].flatMap(text => {
  const row = findRow(text)
  return row && 'runs' in row ? [[text, row.runs] as const] : []
})

let folder: string
let redis: TestRedis
let idp: OidcProvider
let gateway: GatewayProcess
let session: Session
let grantId: string
let ports: number[]
const ends: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-docs-'))
  ends.push(() => rm(folder, { recursive: true }))
  const [port, opsPort, ...others] = await findFreePorts(10)
  ports = others
  const origin = `http://127.0.0.1:${port}`
  redis = await startRedis()
  ends.push(redis.stop)
  idp = await startOidcProvider({
    redirectUris: [`${origin}/callback`],
    accessTokenTtlSeconds: 600,
  })
  ends.push(idp.close)
  const instances = await Promise.all(
    [1, 2].map(number => startLegacyBackend({ instance: `crm-${number}` })),
  )
  ends.push(...instances.map(({ close }) => close))
  const file = join(folder, 'gateway.config.yaml')
  await writeFile(
    file,
    stringify({
      publicUrl: origin,
      keys: [mintKey()],
      listen: { host: '127.0.0.1', port },
      ops: { port: opsPort },
      redis: { url: redis.url },
      upstream: { provider: 'oidc', ...pick(idp) },
      backends: [
        {
          path: '/crm/mcp',
          instances: instances.map(({ url }) => url),
          credential: { assertion: { audience: 'crm' } },
        },
      ],
      clients: [
        {
          ...{ id: 'nightly', name: 'Nightly batch', clientCredentials: true },
          secretHash: `sha256:${createHash('sha256').update(SECRET).digest('hex')}`,
        },
      ],
    }),
  )
  gateway = await startGatewayFrom(file)
  ends.push(gateway.kill)
  await provokeFailures(origin)
  await writeFiles()
  await copyCheckout()
}, TIMEOUT_MS)
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

beforeEach(async () => {
  const front = { origin: gateway.origin }
  session = await signIn({ front }, await register({ front }))
  const query = new URLSearchParams({ client: session.clientId })
  const response = await fetch(`${gateway.opsOrigin}/admin/grants?${query}`)
  const { grants } = (await response.json()) as { grants: { grantId: string }[] }
  grantId = grants[0]!.grantId
})

function pick({ issuer, clientId, clientSecret }: OidcProvider) {
  return { issuer, clientId, clientSecret }
}

/** So that the log has what on-call looks for: tokens that cannot be issued while Redis does not answer. */
async function provokeFailures(origin: string): Promise<void> {
  const { clientId, refreshToken } = await signIn({ front: { origin } })
  await redis.pause(1500)
  await fetch(`${origin}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken },
    }),
  })
  await waitFor(() => redis.keys(), { what: 'Redis to answer', timeoutMs: 10_000 })
}

/** What the commands find where they run. */
async function writeFiles(): Promise<void> {
  await mkdir(join(folder, 'bin'))
  const program = join(folder, 'bin/mcp-auth-gateway')
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${ROOT}/src/main.ts" "$@"\n`)
  await chmod(program, 0o755)
  await writeFile(join(folder, 'token'), 'a-token')
  const [started] = blocksOf(readPage('docs/getting-started.md')).filter(
    ({ language }) => language === 'yaml',
  )
  await writeDevelopment('my.config.yaml', started!.text)
  await writeDevelopment(
    'dev.config.yaml',
    await readFile(join(ROOT, 'gateway.config.yaml'), 'utf8'),
  )
}

/** A checkout that may be written to, without the files that are generated. */
async function copyCheckout(): Promise<void> {
  const copy = join(folder, 'copy')
  await mkdir(join(copy, 'docs'), { recursive: true })
  await Promise.all([
    cp(join(ROOT, 'src'), join(copy, 'src'), { recursive: true }),
    cp(join(ROOT, 'package.json'), join(copy, 'package.json')),
    symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules')),
  ])
}

/** A configuration for development, on ports that are free. */
async function writeDevelopment(name: string, text: string): Promise<void> {
  const [port, opsPort, idpPort, ...others] = ports
  const config = parse(text)
  const isSample = config.upstream.sampleBackends !== undefined || name.startsWith('dev')
  const [backend] = config.backends
  const instances = isSample
    ? others.slice(0, 2).map(free => `http://127.0.0.1:${free}/mcp`)
    : backend.instances
  const changed = {
    ...config,
    publicUrl: `http://localhost:${port}`,
    listen: { port },
    ops: { port: opsPort },
    upstream: { ...config.upstream, port: idpPort },
    backends: [{ ...backend, instances }],
  }
  await writeFile(join(folder, name), stringify(changed))
}

/** The command with what is called otherwise here. */
function localise(text: string): string {
  const development = `--config ${folder}/dev.config.yaml`
  const named: [string | RegExp, string][] = [
    // What ran before the tests could.
    [/^npm ci && /, ''],
    [/^npm start$/, `npm start -- ${development}`],
    [/^npm run (demo|dev)$/, `npm run $1 -- ${development}`],
    [/^(npx mcp-auth-gateway|node src\/main\.ts)$/, `$1 start ${development}`],
    [/^npx mcp-auth-gateway check$/, `npx mcp-auth-gateway check ${development}`],
    ['--config my.config.yaml', `--config ${folder}/my.config.yaml`],
    ['https://mcp.example.com', gateway.origin],
    ['http://127.0.0.1:9090', gateway.opsOrigin],
    ['https://login.example.com', idp.issuer],
    ['--grant <id>', `--grant ${grantId}`],
    ['--client <id>', `--client ${session.clientId}`],
    [/--subject (<id>|00u1a2b3c4)/, '--subject alice'],
    [/^(grep .*)$/, `$1 ${folder}/gateway.log`],
  ]
  return named.reduce<string>((command, [from, to]) => command.replaceAll(asGlobal(from), to), text)
}

function asGlobal(from: string | RegExp): string | RegExp {
  return typeof from === 'string' ? from : new RegExp(from.source, 'g')
}

const OF_CHECKOUT = /^(npm|npx|node|promtool) /

/** Runs it in a shell, in a process group of its own, so that all that it starts ends with it. */
async function run(text: string, { prints, isServer, writes }: Expectation) {
  const child = spawn('sh', ['-c', localise(text)], {
    cwd: writes ? join(folder, 'copy') : OF_CHECKOUT.test(text) ? ROOT : folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: folder,
      REDIS_URL: redis.url,
      secret: SECRET,
      // The Inspector's own.
      ...{ CLIENT_PORT: `${ports[5]}`, SERVER_PORT: `${ports[6]}`, MCP_AUTO_OPEN_ENABLED: 'false' },
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      output += String(chunk)
    })
  const closed = once(child, 'close') as Promise<[number | null]>
  if (!isServer) return { code: (await closed)[0], output }
  try {
    await waitFor(() => prints.test(output), {
      what: `${text} to say ${prints}`,
      timeoutMs: TIMEOUT_MS / 2,
    })
    return { code: child.exitCode ?? 0, output }
  } catch (cause) {
    throw new Error(output, { cause })
  } finally {
    process.kill(-child.pid!, 'SIGTERM')
    await closed
  }
}

describe('a command of the pages does what its page says', () => {
  it.each(runnable)(
    '%s',
    async (text, expectation) => {
      await writeFile(join(folder, 'gateway.log'), gateway.logs())
      const { code, output } = await run(text, expectation)
      for (const file of expectation.writes ?? []) {
        const written = await readFile(join(folder, 'copy', file), 'utf8')
        expect(written).toBe(await readFile(join(ROOT, file), 'utf8'))
      }
      expect({ code, output }).toEqual({
        code: expectation.code ?? 0,
        output: expect.stringMatching(expectation.prints),
      })
    },
    TIMEOUT_MS,
  )
})
