import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { runGateway } from '../support/gateway-process.ts'
import { type RecordingBackend, startRecordingBackend } from '../support/recording-backend.ts'
import { startRedis } from '../support/redis.ts'
import { type Landscape, startLandscape } from './landscape.ts'

let landscape: Landscape
let folder: string
beforeAll(async () => {
  landscape = await startLandscape({ replicas: 1 })
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
})
afterAll(async () => {
  await landscape?.close()
  await rm(folder, { recursive: true, force: true })
})

/** The doctor, who has the landscape's configuration but for what is given. */
async function doctor(changes: Record<string, unknown> = {}, args: readonly string[] = []) {
  const { front, redis, idp, backends, key } = landscape
  const { issuer, clientId, clientSecret } = idp
  const config = {
    publicUrl: front.origin,
    keys: [key],
    redis: { url: redis.url },
    upstream: { provider: 'oidc', issuer, clientId, clientSecret },
    backends: Object.entries(backends).map(([era, instances]) => ({
      path: `/${era}/mcp`,
      instances: instances.map(({ url }) => url),
    })),
    ...changes,
  }
  const file = join(folder, 'doctor.yaml')
  await writeFile(file, stringify(config))
  const { code, output } = await runGateway(['doctor', '--config', file, ...args])
  const lines = output.split('\n').map(line => line.trim())
  const of = (level: 'ok' | 'warn' | 'fail') => lines.filter(line => line.startsWith(`${level} `))
  return { code, output, of }
}

/** An MCP server that knows only the sessions that it has opened itself. */
function startStatefulBackend(instance: string): Promise<RecordingBackend> {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  return startRecordingBackend({ instance }, async ({ request }) => {
    const known = sessions.get(request.headers.get('mcp-session-id') ?? '')
    if (known) return known.handleRequest(request)
    if (request.headers.has('mcp-session-id')) return new Response(null, { status: 404 })
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: id => void sessions.set(id, transport),
    })
    const server = new McpServer({ name: instance, version: '1' })
    server.registerTool('nothing', {}, () => ({ content: [] }))
    await server.connect(transport)
    return transport.handleRequest(request)
  })
}

async function startStateful(count: number): Promise<string[]> {
  const backends = await Promise.all(
    Array.from({ length: count }, (_, index) => startStatefulBackend(`stateful-${index}`)),
  )
  onTestFinished(async () => void (await Promise.all(backends.map(({ close }) => close()))))
  return backends.map(({ url }) => url)
}

describe('where all is well, the doctor', () => {
  it('says what it has seen, and ends with 0', async () => {
    const { code, output, of } = await doctor()
    expect(of('fail')).toEqual([])
    expect(code).toBe(0)
    const { idp, backends, front } = landscape
    for (const text of [
      `${idp.issuer}: metadata found`,
      `register this redirect URI there, exactly: ${front.origin}/callback`,
      'client authentication: client_secret_post',
      'behind the identity provider|ahead of the identity provider',
      'Redis evicts nothing',
      'Redis answers in',
      'behind Redis|ahead of Redis',
      ...backends.legacy.map(({ url }) => `${url} speaks 2025-11-25, 4 tools`),
      ...backends.modern.map(({ url }) => `${url} speaks 2026-07-28`),
      `${front.origin}/legacy/mcp: its 2 instances answer one conversation in turn`,
      `${front.origin} is reached from here, and is a gateway with this issuer`,
      `${front.origin}/modern/mcp: metadata as configured`,
    ]) {
      expect(
        text.split('|').some(variant => output.includes(variant)),
        text,
      ).toBe(true)
    }
    expect(output).not.toContain(idp.clientSecret)
  })
})

describe('the doctor finds', () => {
  it('an issuer that is not the one of the metadata', async () => {
    const { clientId, clientSecret, issuer } = landscape.idp
    const upstream = { provider: 'oidc', issuer: `${issuer}/other`, clientId, clientSecret }
    const { code, output, of } = await doctor({ upstream })
    expect(code).toBe(1)
    expect(of('fail').join()).toContain('no usable metadata')
    expect(output).toContain('byte for byte')
    const nearly = { ...upstream, issuer: issuer.replace('127.0.0.1', 'localhost') }
    expect((await doctor({ upstream: nearly })).of('fail').join()).toContain(
      `no usable metadata: their issuer is ${issuer}`,
    )
  })

  it('an identity provider whose keys cannot be had', async () => {
    const { idp } = landscape
    idp.setFault({ endpoint: 'jwks', kind: 'status', status: 500 })
    onTestFinished(idp.clearFaults)
    const { code, of } = await doctor()
    expect(code).toBe(1)
    expect(of('fail').join()).toMatch(/has no usable keys.*: status 500/)
  })

  it('a Redis that evicts, and one that does not answer', async () => {
    const redis = await startRedis(['--maxmemory-policy', 'allkeys-lru'])
    onTestFinished(redis.stop)
    const evicting = await doctor({ redis: { url: redis.url } })
    expect(evicting.of('fail').join()).toContain(
      'Redis evicts keys when its memory is full (allkeys-lru)',
    )
    expect(evicting.output).toContain('fix: set maxmemory-policy to noeviction')
    const gone = await doctor({ redis: { url: 'redis://127.0.0.1:1', timeout: '200ms' } })
    expect(gone.of('fail').join()).toMatch(/Redis does not answer: .*ECONNREFUSED 127\.0\.0\.1:1/)
    expect(gone.code).toBe(1)
  })

  it('a backend that keeps sessions, and that two of its instances are not one', async () => {
    const instances = await startStateful(2)
    const { code, of } = await doctor({ backends: [{ path: '/legacy/mcp', instances }] })
    expect(code).toBe(1)
    const failures = of('fail').join('\n')
    for (const url of instances) expect(failures).toContain(`${url} keeps sessions`)
    expect(failures).toContain('one conversation over several instances breaks')
  })

  it('less harm in sessions where there is one instance', async () => {
    const instances = await startStateful(1)
    const { code, of } = await doctor({ backends: [{ path: '/legacy/mcp', instances }] })
    expect(of('warn').join()).toContain('keeps sessions')
    expect(code).toBe(0)
  })

  it('a backend that is not there', async () => {
    const backends = [{ path: '/legacy/mcp', instances: ['http://127.0.0.1:1/mcp'] }]
    const { code, of } = await doctor({ backends })
    expect(of('fail').join()).toContain('http://127.0.0.1:1/mcp does not speak MCP')
    expect(code).toBe(1)
  })

  it('a backend that wants a token, and whether it takes the one that it is given', async () => {
    const [backend] = landscape.backends.legacy
    backend?.requireToken(token => token === 'good-token')
    onTestFinished(() => backend?.requireToken(() => true))
    const backends = [{ path: '/legacy/mcp', instances: [backend!.url] }]
    expect((await doctor({ backends })).of('ok').join()).toContain('answers, and wants a token')
    const file = join(folder, 'token')
    await writeFile(file, 'good-token\n')
    const good = await doctor({ backends }, ['--token-file', file])
    expect(good.of('ok').join()).toContain('speaks 2025-11-25')
    await writeFile(file, 'bad-token\n')
    expect((await doctor({ backends }, ['--token-file', file])).of('fail').join()).toContain(
      'refuses the token',
    )
  })

  it('a public URL where nobody, or somebody else, answers', async () => {
    const nobody = await doctor({ publicUrl: 'http://127.0.0.1:1' })
    expect(nobody.of('fail').join()).toContain(
      'http://127.0.0.1:1/.well-known/oauth-authorization-server',
    )
    const publicUrl = landscape.front.origin.replace('127.0.0.1', 'localhost')
    const other = await doctor({ publicUrl })
    expect(other.of('fail').join()).toContain(`names the issuer ${landscape.front.origin}`)
  })

  it('a path that the gateway there does not serve', async () => {
    const [{ url } = { url: '' }] = landscape.backends.legacy
    const { of } = await doctor({ backends: [{ path: '/other/mcp', instances: [url] }] })
    expect(of('fail').join()).toContain(
      '/.well-known/oauth-protected-resource/other/mcp: status 404',
    )
  })
})
