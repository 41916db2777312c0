import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Landscape, startLandscape } from '../flow/landscape.ts'
import { registerClient, signIn } from '../flow/oauth-client.ts'
import type { RecordingBackend } from '../support/recording-backend.ts'
import { startTokenInjector, type TokenInjector } from '../support/token-injector.ts'
import { startEverythingBackend } from './everything-backend.ts'
import { NEEDS_SESSION, type Revision, readRequirements } from './requirements.ts'
import { runSuite } from './suite.ts'

const PATH = '/everything/mcp'
const RUN_TIMEOUT_MS = 180_000

let backends: RecordingBackend[]
let injector: TokenInjector
let landscape: Landscape
beforeAll(async () => {
  backends = await startEverythingBackend(2)
  injector = await startTokenInjector()
  const instances = backends.map(({ url }) => url)
  landscape = await startLandscape({
    config: { backends: [{ path: PATH, instances }], allowedOrigins: [injector.origin] },
  })
  const client = await registerClient(landscape)
  const { accessToken } = await signIn(landscape, client, landscape.front.origin + PATH)
  injector.use(
    landscape.replicas.map(({ origin }) => origin),
    accessToken,
  )
})
afterAll(async () => {
  await injector?.close()
  await landscape?.close()
  await Promise.all(backends?.map(backend => backend.close()) ?? [])
})

const run = (...args: string[]) => runSuite(['server', '--url', injector.origin + PATH, ...args])

describe('the official suite, through three replicas to two stateless instances', () => {
  it.each([
    ['2025-11-25', NEEDS_SESSION],
    ['2026-07-28', []],
  ] as [Revision, readonly string[]][])(
    'passes what %s requires of a server, but for what needs a session',
    async (revision, expected) => {
      const { server: required } = readRequirements(revision)
      const { scenarios, failed, details } = await run('--requirements', revision)
      expect(scenarios).toEqual(expect.arrayContaining(required))
      const failedRequired = failed.filter(scenario => required.includes(scenario))
      expect(failedRequired, details.join('\n')).toEqual(expected)
    },
    RUN_TIMEOUT_MS,
  )

  it.each([
    'http-header-validation',
    'http-custom-header-server-validation',
    'json-schema-2020-12',
  ])('passes %s, which no revision counts yet', async scenario => {
    const { scenarios, failed, passed, details } = await run('--scenario', scenario)
    expect({ scenarios, failed, details }).toEqual({
      scenarios: [scenario],
      failed: [],
      details: [],
    })
    expect(passed).toBeGreaterThan(3)
  })

  it('has reached both instances with the upstream’s token alone', () => {
    for (const { requests } of backends) expect(requests.length).toBeGreaterThan(20)
    const fields = backends.flatMap(({ requests }) => requests.map(({ rawHeaders }) => rawHeaders))
    for (const rawHeaders of fields) {
      const names = rawHeaders.filter((_, index) => index % 2 === 0)
      expect(names.filter(name => name.toLowerCase() === 'authorization')).toHaveLength(1)
    }
  })
})
