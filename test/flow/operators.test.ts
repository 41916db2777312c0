import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { blocksOf, proseOf, readPage } from '../docs/pages.ts'
import { openRedisStore } from '../store/redis/open.ts'
import { sampleGrant } from '../store/samples.ts'
import { runGateway } from '../support/gateway-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import { approve, codeOf, openBrowser, ping, registerClient, signIn } from './oauth-client.ts'

const ACCESS = {
  scopes: { mcp: {}, secret: { default: false } },
  tools: { add: { scopes: ['secret'] } },
}

let landscape: Landscape
let folder: string
let redis: Redis
beforeAll(async () => {
  landscape = await startLandscape({ replicas: 2, backend: ACCESS })
  redis = new Redis(landscape.redis.url)
  folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
})
afterAll(async () => {
  redis?.disconnect()
  await landscape?.close()
  await rm(folder, { recursive: true, force: true })
})

/** A command of an operator, who has a configuration that leads to one of the replicas. */
async function command(...args: string[]) {
  const file = join(folder, 'operator.yaml')
  const { port } = new URL(landscape.replicas[0]!.opsOrigin)
  const config = {
    publicUrl: 'https://mcp.example.com',
    ops: { port: Number(port) },
    upstream: {
      ...{ provider: 'oidc', issuer: 'https://idp.example.com' },
      ...{ clientId: 'gateway', clientSecret: 'secret' },
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
  }
  await writeFile(file, stringify(config))
  return runGateway([...args, '--config', file])
}

/** A grant of a client, sealed with a key that the gateway does not have. */
async function plantGrant(clientId: string): Promise<{ grantId: string; key: string }> {
  const stranger = openRedisStore({ url: landscape.redis.url })
  onTestFinished(stranger.close)
  const grant = sampleGrant(stranger.now(), { clientId })
  await stranger.grants.open(grant, stranger.now() + 60)
  return { grantId: grant.grantId, key: stranger.connection.keys.grant(grant.grantId) }
}

type AuditLine = Record<string, unknown> & { event: string; outcome: string }

function auditLines(): AuditLine[] {
  return landscape
    .logs()
    .split('\n')
    .filter(line => line.includes('"audit":true'))
    .map(line => JSON.parse(line) as AuditLine)
}

function lastAudit(event: string): AuditLine | undefined {
  return auditLines().findLast(line => line.event === event)
}

async function refusedEverywhere(token: string): Promise<boolean> {
  const statuses = await Promise.all(
    landscape.replicas.map(({ origin }) => ping(landscape, token, origin)),
  )
  return statuses.every(status => status === 401)
}

async function callTool(token: string, name: string): Promise<number> {
  const response = await fetch(`${landscape.front.origin}/legacy/mcp`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }),
  })
  await response.text()
  return response.status
}

async function metric(line: RegExp): Promise<number> {
  const texts = await Promise.all(
    landscape.replicas.map(async ({ opsOrigin }) => (await fetch(`${opsOrigin}/metrics`)).text()),
  )
  return texts
    .flatMap(text => text.split('\n'))
    .filter(text => line.test(text))
    .reduce((sum, text) => sum + Number(text.split(' ').at(-1)), 0)
}

describe('an operator', () => {
  it('sees the grants of a client and ends one: every replica refuses its token, another lives', async () => {
    const client = await registerClient(landscape)
    const [ended, kept] = [await signIn(landscape, client), await signIn(landscape, client)]
    expect(await ping(landscape, ended.accessToken)).toBe(200)
    const { code, output } = await command('grants', '--client', client.clientId)
    expect(code).toBe(0)
    const ids = output.split('\n').map(line => line.split(' ')[0]!)
    expect(ids.filter(Boolean)).toHaveLength(2)
    expect(output).toContain('A client')
    for (const secret of [ended.accessToken, ended.refreshToken])
      expect(output).not.toContain(secret)
    const first = await waitFor(
      () => auditLines().find(line => line.event === 'login' && line.clientId === client.clientId),
      { what: 'the login to be on record' },
    )
    expect(ids).toContain(first.grantId)
    const revoked = await command('revoke', '--grant', String(first.grantId))
    expect(revoked).toEqual({ code: 0, output: '1 grant revoked\n' })
    await waitFor(() => refusedEverywhere(ended.accessToken), { what: 'every replica to refuse' })
    expect(await ping(landscape, kept.accessToken)).toBe(200)
    await expect
      .poll(() => lastAudit('admin'))
      .toMatchObject({ reason: 'revoke grant', revoked: 1 })
  })

  it('ends all grants of a user', async () => {
    const { accessToken } = await signIn(landscape, await registerClient(landscape))
    const { issuer, subject } = lastAudit('login')!
    const listed = await command('grants', '--subject', String(subject), '--issuer', String(issuer))
    expect(listed.output).toContain(String(subject))
    const { output } = await command(
      'revoke',
      '--subject',
      String(subject),
      '--issuer',
      String(issuer),
    )
    expect(output).toMatch(/^\d+ grants? revoked\n$/)
    await waitFor(() => refusedEverywhere(accessToken), { what: 'every replica to refuse' })
  })

  it('denies a client and lets it come again', async () => {
    const client = await registerClient(landscape)
    const { accessToken, refreshToken } = await signIn(landscape, client)
    const denied = await command('deny', '--client', client.clientId)
    expect(denied).toEqual({ code: 0, output: 'client denied; 1 grant revoked\n' })
    await waitFor(() => refusedEverywhere(accessToken), { what: 'every replica to refuse' })
    expect(await client.refresh(refreshToken)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
    const lift = () => command('lift', '--client', client.clientId)
    expect(await lift()).toEqual({ code: 0, output: 'the client is no longer denied\n' })
    expect(await lift()).toEqual({ code: 0, output: 'the client was not denied\n' })
    await signIn(landscape, client)
  })

  it.each([
    [['revoke', '--grant', 'nonsense'], 1, 'no grant has this id'],
    [['revoke', '--client', 'nonsense'], 0, '0 grants revoked: none was found'],
    [['revoke', '--subject', 'nonsense'], 0, '0 grants revoked: none was found'],
    [['deny', '--client', 'nonsense'], 0, 'client denied; no grants of it were known'],
  ])('says where nothing is known by a name: %j', async (args, code, line) => {
    expect(await command(...args)).toEqual({ code, output: `${line}\n` })
  })

  it('is told where a grant has ended that does not open, and ends the others all the same', async () => {
    const client = await registerClient(landscape)
    const { accessToken } = await signIn(landscape, client)
    await plantGrant(client.clientId)
    const { code, output } = await command('deny', '--client', client.clientId)
    expect(output).toMatch(/^client denied; 2 grants revoked\n1 of them did not open: /)
    expect(code).toBe(0)
    await waitFor(() => refusedEverywhere(accessToken), { what: 'every replica to refuse' })
    await expect.poll(() => lastAudit('admin')).toMatchObject({ revoked: 2, unopened: 1 })
  })

  it('is told how many could not be ended, and what to do, and that is no success', async () => {
    const client = await registerClient(landscape)
    const { accessToken } = await signIn(landscape, client)
    const { grantId, key } = await plantGrant(client.clientId)
    await redis.set(key, 'not a grant')
    const { code, output } = await command('revoke', '--client', client.clientId)
    expect(output).toMatch(/^1 grant revoked\n1 grant could not be revoked: run this again .*\n$/)
    expect(code).toBe(1)
    await waitFor(() => refusedEverywhere(accessToken), { what: 'every replica to refuse' })
    await expect
      .poll(() => lastAudit('admin'))
      .toMatchObject({ outcome: 'failed', revoked: 1, failed: 1 })
    const ended = auditLines().filter(({ event }) => event === 'revocation')
    expect(ended.some(line => line.clientId === client.clientId)).toBe(true)
    expect(ended.some(line => line.grantId === grantId)).toBe(false)
  })

  it('ends everything', async () => {
    const tokens = [
      await signIn(landscape, await registerClient(landscape)),
      await signIn(landscape, await registerClient(landscape)),
    ]
    const { output } = await command('revoke', '--everything')
    expect(Number(/^(\d+) grants revoked\n$/.exec(output)?.[1])).toBeGreaterThanOrEqual(2)
    for (const { accessToken } of tokens)
      await waitFor(() => refusedEverywhere(accessToken), { what: 'every replica to refuse' })
  })

  it('sees the backends', async () => {
    const { output } = await command('backends')
    for (const { url } of landscape.backends.legacy) {
      expect(output).toContain(`${new URL(url).origin}  serving`)
    }
  })

  it('is told which rule decides about a call, and that is what the call meets', async () => {
    const client = await registerClient(landscape)
    const { accessToken } = await signIn(landscape, client)
    const { subject, issuer, resource } = lastAudit('token')!
    const about = ['--subject', subject, '--issuer', issuer, '--client', client.clientId]
    const explain = (...more: string[]) =>
      command('explain', ...about.map(String), '--resource', String(resource), ...more)
    expect((await explain()).output).toMatch(/passed {3}required: .*\nthe call is let through\n$/)
    expect((await explain('--tool', 'whoami')).output).toContain('the call is let through')
    expect(await callTool(accessToken, 'whoami')).toBe(200)
    const refused = await explain('--tool', 'add')
    expect(refused).toMatchObject({ code: 0 })
    expect(refused.output).toMatch(/refused {2}tools: needs secret;.*\nthe call is refused\n$/)
    expect(await callTool(accessToken, 'add')).toBe(403)
    await command('revoke', '--client', client.clientId)
    expect((await explain()).output).toContain('refused  grant: none')
    await command('deny', '--client', client.clientId)
    expect((await explain()).output).toContain('refused  client: denied')
    const other = await command('explain', ...about.map(String), '--resource', `${resource}/x`)
    expect(other.output).toContain('refused  resource: not a resource of this gateway')
  })

  it('is told what is missing', async () => {
    const { code, output } = await command('revoke')
    expect(code).toBe(1)
    expect(output).toContain('name one of')
    expect((await command('revoke', '--everything', '--client', 'x')).output).toContain(
      'cannot be used',
    )
  })
})

describe('the metrics of a run', () => {
  it('count what was done', async () => {
    const before = await metric(/^mcp_gateway_requests_total\{.*backend="legacy".*outcome="ok"/)
    const client = await registerClient(landscape)
    const { accessToken } = await signIn(landscape, client)
    for (let n = 0; n < 4; n += 1) await ping(landscape, accessToken)
    const after = await metric(/^mcp_gateway_requests_total\{.*backend="legacy".*outcome="ok"/)
    expect(after - before).toBe(4)
    expect(await metric(/^mcp_gateway_gateway_seconds_count\{backend="legacy"/)).toBeGreaterThan(3)
    expect(await metric(/^mcp_gateway_backend_seconds_count\{backend="legacy"/)).toBeGreaterThan(3)
    expect(await metric(/lookups_total\{path="cache"/)).toBeGreaterThan(0)
    expect(await metric(/events_total\{event="login",outcome="granted"/)).toBeGreaterThan(0)
    expect(
      await metric(
        /^mcp_gateway_store_operation_seconds_count\{operation="grants.find",result="ok"/,
      ),
    ).toBeGreaterThan(0)
    expect(await metric(/^mcp_gateway_build_info\{/)).toBe(2)
    expect(await metric(/^mcp_gateway_nodejs_eventloop_lag_p99_seconds /)).toBeGreaterThan(0)
    expect(await metric(/^mcp_gateway_store_reachable /)).toBe(2)
  })

  it('never name a client, a user or a token', async () => {
    const { accessToken } = await signIn(landscape, await registerClient(landscape))
    await ping(landscape, accessToken)
    const { clientId, subject, grantId } = lastAudit('token')!
    const text = await (await fetch(`${landscape.replicas[0]!.opsOrigin}/metrics`)).text()
    for (const word of [clientId, subject, grantId, accessToken]) {
      expect(text).not.toContain(String(word))
    }
  })

  it('are all in the table of docs/observability.md, and nothing else is', async () => {
    const text = await (await fetch(`${landscape.replicas[0]!.opsOrigin}/metrics`)).text()
    const exported = [...text.matchAll(/^# TYPE (mcp_gateway_\S+)/gm)]
      .map(([, name = '']) => name)
      .filter(name => !/^mcp_gateway_(process|nodejs)_/.test(name))
    const page = proseOf(readPage('docs/observability.md'))
    const described = [...page.matchAll(/^\| `(mcp_gateway_(?!process_|nodejs_|worker)\w+)/gm)].map(
      ([, name]) => name,
    )
    expect([...described].sort()).toEqual([...exported].sort())
  })
})

describe('the audit of a run', () => {
  /** One row of each table: the first cell's name, and what follows it. */
  function rowsAfter(heading: string): [string, string][] {
    const page = readPage('docs/audit.md').text
    const own = page.slice(page.indexOf(`## ${heading}`)).split('\n## ')[0] ?? ''
    return [...own.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, name = '', rest = '']) => [
      name,
      rest,
    ])
  }

  async function makeDecisions(): Promise<void> {
    const client = await registerClient(landscape)
    const tokens = await signIn(landscape, client)
    await client.refresh(tokens.refreshToken)
    await client.refresh('rt_made.up')
    const attempt = client.begin()
    const browser = openBrowser(landscape)
    await browser.submit(await browser.open(attempt.url), { button: 'deny' })
    const replayed = client.begin()
    const code = codeOf(await approve(openBrowser(landscape), replayed), replayed)
    await client.redeem(replayed, code)
    await client.redeem(replayed, code)
    await fetch(`${landscape.front.origin}/authorize?client_id=nobody`)
    await fetch(`${landscape.front.origin}/callback?state=made-up`)
    await fetch(`${landscape.front.origin}/register`, { method: 'POST', body: '{}' })
    await callTool(tokens.accessToken, 'add')
    await command('revoke', '--client', client.clientId)
  }

  beforeAll(makeDecisions, 60_000)

  it('has every event that docs/audit.md describes, with outcomes that it describes', async () => {
    const described = new Map(rowsAfter('Events'))
    await expect
      .poll(() => new Set(auditLines().map(({ event }) => event)))
      .toEqual(new Set(described.keys()))
    const lines = auditLines()
    const foreign = lines.filter(
      ({ event, outcome }) =>
        !described.get(event)?.split(' | ').at(-1)?.includes(`\`${outcome}\``),
    )
    expect(foreign).toEqual([])
  })

  it('has only fields that docs/audit.md describes, of the types that it says', () => {
    const types = new Map(rowsAfter('Fields').map(([name, rest]) => [name, rest.split(' | ')[0]]))
    const faults = auditLines().flatMap(line =>
      Object.entries(line)
        .filter(
          ([name, value]) => types.get(name) !== (Array.isArray(value) ? 'array' : typeof value),
        )
        .map(([name]) => `${line.event}.${name}`),
    )
    expect(faults).toEqual([])
    const always = ['level', 'time', 'msg', 'audit', 'event', 'outcome', 'correlationId']
    for (const line of auditLines())
      expect(Object.keys(line)).toEqual(expect.arrayContaining(always))
  })

  it('says of a refused call who it was, and which tool', () => {
    expect(lastAudit('policy')).toMatchObject({
      outcome: 'denied',
      tool: 'add',
      reason: 'needs secret',
      subject: expect.any(String),
      clientId: expect.any(String),
      grantId: expect.any(String),
    })
  })

  it('says why a flow went no further', () => {
    const denied = auditLines().filter(({ outcome }) => outcome === 'denied')
    expect(denied).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: 'consent', reason: 'denied by the user' }),
        expect.objectContaining({ event: 'token', reason: 'replayed code' }),
        expect.objectContaining({ event: 'token', reason: 'not a refresh token of ours' }),
        expect.objectContaining({ event: 'authorization', clientId: 'nobody' }),
        expect.objectContaining({ event: 'login', reason: expect.stringContaining('unknown') }),
        expect.objectContaining({ event: 'registration' }),
      ]),
    )
  })

  it('has no secret of the run in it', () => {
    const text = auditLines()
      .map(line => JSON.stringify(line))
      .join('\n')
    expect(landscape.secrets.findIn(text)).toEqual([])
  })

  it('is shown in docs/audit.md as it is', () => {
    const [example] = blocksOf(readPage('docs/audit.md')).filter(
      ({ language }) => language === 'json',
    )
    const shown = JSON.parse(example!.text) as Record<string, unknown>
    const real = auditLines().find(
      ({ event, outcome }) => event === 'consent' && outcome === 'granted',
    )
    expect(Object.keys(shown)).toEqual(Object.keys(real!))
  })
})
