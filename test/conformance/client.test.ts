import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { type Landscape, startLandscape } from '../flow/landscape.ts'
import { registerClient, signIn } from '../flow/oauth-client.ts'
import { type Changeover, startChangeover } from '../support/changeover.ts'
import { runSuite } from './suite.ts'

/** What of the suite looks at a client's messages. The rest looks at how it signs in, which a gateway in between replaces. */
const SCENARIOS: readonly (readonly [revision: string, scenario: string])[] = [
  ['2025-11-25', 'initialize'],
  ['2025-11-25', 'tools_call'],
  ['2025-11-25', 'elicitation-sep1034-client-defaults'],
  ['2025-11-25', 'sse-retry'],
  ['2026-07-28', 'tools_call'],
  ['2026-07-28', 'request-metadata'],
  ['2026-07-28', 'sep-2322-client-request-state'],
  ['2026-07-28', 'http-standard-headers'],
  ['2026-07-28', 'http-custom-headers'],
  ['2026-07-28', 'http-invalid-tool-headers'],
  ['2026-07-28', 'json-schema-ref-no-deref'],
]

let changeover: Changeover
let control: Listening
let landscape: Landscape
let env: Record<string, string>
beforeAll(async () => {
  changeover = await startChangeover()
  control = await listen(
    createServer((req, res) => {
      req.on('data', origin => changeover.lead(String(origin)))
      req.on('end', () => res.end())
    }),
    0,
    '127.0.0.1',
  )
  // The suite's servers differ in where their endpoint is; one backend of ours stands for either.
  const backends = [
    { path: '/root/mcp', instances: [`${changeover.origin}/`] },
    { path: '/mcp', name: 'suite', instances: [`${changeover.origin}/mcp`] },
  ]
  landscape = await startLandscape({ replicas: 1, config: { backends } })
  const client = await registerClient(landscape)
  const tokens = backends.map(async ({ path }) => {
    const { accessToken } = await signIn(landscape, client, landscape.front.origin + path)
    return [path, accessToken] as const
  })
  env = {
    GATEWAY_URL: landscape.front.origin,
    GATEWAY_TOKENS: JSON.stringify(Object.fromEntries(await Promise.all(tokens))),
    CHANGEOVER_URL: control.origin,
  }
})
afterAll(async () => {
  await landscape?.close()
  await control?.close()
  await changeover?.close()
})

describe('the official suite for clients, of which the server stands behind the gateway', () => {
  it.each(SCENARIOS)(
    '%s: %s finds nothing wrong with what reaches the backend',
    async (revision, scenario) => {
      const command = `${process.execPath} ${join(import.meta.dirname, 'client.ts')}`
      const { scenarios, failed, details, passed, output } = await runSuite(
        ['client', '--command', command, '--scenario', scenario, '--spec-version', revision],
        { env },
      )
      expect({ scenarios, failed, details }, output).toEqual({
        scenarios: [scenario],
        failed: [],
        details: [],
      })
      expect(passed).toBeGreaterThan(0)
    },
    60_000,
  )
})
