import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { findFreePort } from '../support/free-port.ts'
import { firstText } from '../support/mcp-clients.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Era, type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { registerClient, signIn } from './oauth-client.ts'

const TIMEOUT_MS = 60_000

let landscape: Landscape
let folder: string
beforeAll(async () => {
  landscape = await startLandscape()
})
afterAll(() => landscape?.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tools-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const programOf = (name: string, file: string) =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file)

/** A program's surroundings: a home of its own, and no browser that it could open. */
const surroundings = () => ({
  PATH: dirname(process.execPath),
  HOME: folder,
  MCP_REMOTE_CONFIG_DIR: folder,
})

describe('mcp-remote', () => {
  /** Starts it, as a local client does, and does in a browser what it asks for. */
  async function connect() {
    const port = await findFreePort()
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [
        programOf('mcp-remote', 'dist/proxy.js'),
        ...[mcpUrl(landscape), String(port), '--allow-http', '--transport', 'http-only'],
      ],
      env: surroundings(),
      stderr: 'pipe',
    })
    let output = ''
    transport.stderr?.on('data', chunk => {
      output += String(chunk)
    })
    const client = new Client({ name: 'local-client', version: '1.0.0' })
    const connected = client.connect(transport)
    connected.catch(() => {})
    return { client, connected, output: () => output }
  }

  async function approveWhatItPrints(output: () => string): Promise<void> {
    const printed = await waitFor(() => /^(http\S+\/authorize\?\S+)\s/m.exec(output()), {
      what: 'mcp-remote to print where to sign in',
      timeoutMs: TIMEOUT_MS / 2,
    })
    const browser = createBrowserAgent({ secrets: landscape.secrets })
    const page = await browser.submit(await browser.open(printed?.[1] ?? ''), { button: 'approve' })
    expect(page.status, page.html).toBe(200)
  }

  it(
    'signs in through a browser, calls a tool, and needs no browser the next time',
    async () => {
      const first = await connect()
      await approveWhatItPrints(first.output)
      await first.connected
      expect((await first.client.listTools()).tools.map(({ name }) => name)).toContain('whoami')
      const whoami = await first.client.callTool({ name: 'whoami', arguments: {} })
      expect(JSON.parse(firstText(whoami))).toMatchObject({ claims: { sub: 'alice' } })
      await first.client.close()

      const second = await connect()
      await second.connected
      const sum = await second.client.callTool({ name: 'add', arguments: { a: 2, b: 3 } })
      expect(firstText(sum)).toBe('5')
      expect(second.output()).not.toContain('/authorize?')
      await second.client.close()
    },
    TIMEOUT_MS,
  )
})

describe('the Inspector’s command line', () => {
  async function inspect(args: readonly string[]): Promise<{ code: number; output: string }> {
    const child = spawn(
      process.execPath,
      [programOf('@modelcontextprotocol/inspector', 'clients/cli/build/index.js'), ...args],
      { env: surroundings(), cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let output = ''
    child.stdout.on('data', chunk => {
      output += String(chunk)
    })
    let complaints = ''
    child.stderr.on('data', chunk => {
      complaints += String(chunk)
    })
    const [code] = (await once(child, 'close')) as [number]
    return { code, output: code === 0 ? output : output + complaints }
  }

  it.each([
    ['legacy', 'legacy'],
    ['modern', 'modern'],
    ['auto', 'modern'],
  ] as [string, Era][])(
    'in the era %s lists the tools and calls one',
    async (mode, era) => {
      const url = mcpUrl(landscape, era)
      const { accessToken } = await signIn(landscape, await registerClient(landscape), url)
      const common = [
        ...['--server-url', url, '--transport', 'http', '--protocol-era', mode, '--format', 'json'],
        ...['--header', `Authorization: Bearer ${accessToken}`],
      ]
      const listed = await inspect([...common, '--method', 'tools/list'])
      expect(listed).toMatchObject({ code: 0, output: expect.stringContaining('whoami') })
      const called = await inspect([
        ...common,
        ...['--method', 'tools/call', '--tool-name', 'add', '--tool-arg', 'a=2', 'b=3'],
      ])
      expect(called.output).toContain('"5"')
      expect(called.code).toBe(0)
    },
    TIMEOUT_MS,
  )
})
