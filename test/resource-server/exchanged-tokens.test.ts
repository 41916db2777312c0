import { randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createLogger } from '../../src/observability/log.ts'
import {
  createExchangedTokens,
  type ExternalCredential,
} from '../../src/resource-server/exchanged-tokens.ts'
import { createPresentedTokens } from '../../src/resource-server/presented-tokens.ts'
import { createAssertionIssuer } from '../../src/upstream/assertions.ts'
import type { FreshToken, Usable } from '../../src/upstream/fresh-token.ts'
import { STANDARD_PROVIDER } from '../../src/upstream/options.ts'
import { createUpstream } from '../../src/upstream/provider.ts'
import { GATEWAY_CLIENT, startExternalIssuer } from '../support/external-issuer.ts'
import type { VendorAnswer } from '../support/upstreams/vendor-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { watchOne } from '../support/watched-cache.ts'

const RESOURCE = 'https://mcp.example.com/crm/mcp'
const FLOW = 'flow-1'
const EXCHANGE: ExternalCredential = { kind: 'exchange', audience: 'urn:crm', scope: ['crm.use'] }

async function setUp(credential: ExternalCredential = EXCHANGE) {
  let passed = 0
  const now = () => 1_900_000_000 + passed
  const issuer = await startExternalIssuer(now)
  const resources = ['crm', 'files'].map(name => ({
    ...{ name, resource: RESOURCE.replace('crm', name), audience: 'api', scopes: [] },
    upstream: 'default',
  }))
  const presented = createPresentedTokens(resources, now)
  const upstream = createUpstream(
    {
      ...STANDARD_PROVIDER,
      ...{ name: 'default', issuer: issuer.issuer, ...GATEWAY_CLIENT },
      ...{ scopes: ['openid'], timeoutMs: 5000 },
      callbackUrl: 'https://mcp.example.com/callback',
    },
    now,
  )
  const log: string[] = []
  const { watch: watchCache, counted } = watchOne('exchanged_tokens')
  const [key] = deriveAssertionKeys(createKeyRing([randomBytes(32)]))
  const tokens = createExchangedTokens({
    grantOf: presented.findGrant,
    credentialOf: () => credential,
    upstream: () => upstream,
    assertions: createAssertionIssuer(key, 'https://mcp.example.com', now),
    logger: createLogger('trace', { write: line => void log.push(line) }),
    ...{ now, watchCache },
    timeoutMs: 5000,
  })
  onTestFinished(tokens.close)
  return {
    ...{ issuer, tokens, log, counted },
    advance: (seconds: number) => {
      passed += seconds
    },
    /** Notes a verified token. @returns what stands for it at the first backend and at the second */
    present: (token: string, lifeSeconds = 3600): [string, string] => {
      const identity = { issuer: issuer.issuer, subject: 'alice', email: 'alice@example.com' }
      const read = {
        ...{ identity, clientId: 'a-client', audience: ['api'], scope: [], tokenId: 'one' },
        ...{ issuedAt: now(), expiresAt: now() + lifeSeconds },
      }
      const verified = { outcome: 'genuine', token: read, goodUntil: read.expiresAt } as const
      const claims = [...presented.remember(`Bearer ${token}`, token, verified).values()]
      const [crm = '', files = ''] = claims.map(({ grantId }) => grantId)
      return [crm, files]
    },
  }
}

function usable(answer: FreshToken | undefined): Usable {
  if (answer?.outcome !== 'usable') throw new Error(`no token: ${JSON.stringify(answer)}`)
  return answer
}

describe('RFC 8693 section 2.1: the token that is presented', () => {
  it('is the subject of the exchange, and its backend gets what comes of it', async () => {
    const { issuer, tokens, present } = await setUp()
    const [grantId] = present('presented-token')
    expect(tokens.peek(grantId)).toBeUndefined()
    const { accessToken, path, grant } = usable(await tokens.resolve(grantId, FLOW))
    expect([accessToken, path]).toEqual([issuer.exchanged[0], 'refreshed'])
    expect(grant.identity.subject).toBe('alice')
    const [asked] = issuer.requestsTo('token')
    expect(asked?.form).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'presented-token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'urn:crm',
      scope: 'crm.use',
      client_id: GATEWAY_CLIENT.clientId,
      client_secret: GATEWAY_CLIENT.clientSecret,
    })
  })

  it("is the assertion of Entra ID's on-behalf-of flow where that is configured", async () => {
    const { issuer, tokens, present } = await setUp({
      kind: 'onBehalfOf',
      scope: ['api://c/.default'],
    })
    const [grantId] = present('presented-token')
    usable(await tokens.resolve(grantId, FLOW))
    expect(issuer.requests.find(({ path }) => path === '/token')?.form).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: 'presented-token',
      requested_token_use: 'on_behalf_of',
    })
  })

  it('is exchanged once for calls that come together, and held after that', async () => {
    const { issuer, tokens, present } = await setUp()
    const [grantId] = present('presented-token')
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => tokens.resolve(grantId, FLOW)),
    )
    expect(new Set(answers.map(answer => usable(answer).accessToken)).size).toBe(1)
    expect(usable(tokens.peek(grantId))).toMatchObject({ path: 'cache' })
    expect(issuer.exchanged).toHaveLength(1)
  })

  it('is exchanged for each backend by itself, and so is another token of the same user', async () => {
    const { issuer, tokens, present } = await setUp()
    const ids = [...present('one'), ...present('two')]
    const answers = await Promise.all(ids.map(id => tokens.resolve(id, FLOW)))
    expect(new Set(answers.map(answer => usable(answer).accessToken)).size).toBe(4)
    expect(issuer.exchanged).toHaveLength(4)
  })

  it('is never in the log', async () => {
    const { issuer, tokens, present, log } = await setUp()
    const [grantId, other] = present('presented-token')
    await tokens.resolve(grantId, FLOW)
    issuer.refuseExchange({ status: 400, json: { error: 'invalid_grant' } })
    await tokens.resolve(other, FLOW)
    expect(log.length).toBeGreaterThan(1)
    expect(log.join('')).not.toContain('presented-token')
    expect(log.join('')).not.toContain(issuer.exchanged[0])
  })
})

describe('an exchanged token', () => {
  it('is not held beyond its own end', async () => {
    const { issuer, tokens, present, advance } = await setUp()
    const [grantId] = present('presented-token')
    await tokens.resolve(grantId, FLOW)
    advance(300)
    expect(tokens.peek(grantId)).toBeUndefined()
    usable(await tokens.resolve(grantId, FLOW))
    expect(issuer.exchanged).toHaveLength(2)
  })

  it('is not held beyond the end of the presented one', async () => {
    const { tokens, present, advance } = await setUp()
    const [grantId] = present('presented-token', 100)
    await tokens.resolve(grantId, FLOW)
    advance(99)
    expect(tokens.peek(grantId)).toBeDefined()
    advance(1)
    expect(tokens.peek(grantId)).toBeUndefined()
  })

  it('is renewed behind a call ahead of its end, once', async () => {
    const { issuer, tokens, present, advance } = await setUp()
    const [grantId] = present('presented-token')
    const first = usable(await tokens.resolve(grantId, FLOW)).accessToken
    advance(280)
    for (const _call of [1, 2, 3]) expect(usable(tokens.peek(grantId)).accessToken).toBe(first)
    await waitFor(() => tokens.peek(grantId)?.accessToken !== first, { what: 'the renewal' })
    expect(issuer.exchanged).toHaveLength(2)
  })

  it('that its backend has refused is exchanged anew, once', async () => {
    const { issuer, tokens, present, advance } = await setUp()
    const [grantId] = present('presented-token')
    const first = usable(await tokens.resolve(grantId, FLOW)).accessToken ?? ''
    advance(10)
    const calls = [1, 2, 3].map(() => tokens.resolveAfterRejection(grantId, first, FLOW))
    const renewed = new Set((await Promise.all(calls)).map(answer => usable(answer).accessToken))
    expect([...renewed]).toEqual([issuer.exchanged[1]])
    expect(usable(await tokens.resolveAfterRejection(grantId, first, FLOW)).accessToken).toBe(
      issuer.exchanged[1],
    )
    expect(issuer.exchanged).toHaveLength(2)
  })

  it('that is refused when it is as new as can be is not exchanged again', async () => {
    const { issuer, tokens, present } = await setUp()
    const [grantId] = present('presented-token')
    const first = usable(await tokens.resolve(grantId, FLOW)).accessToken ?? ''
    expect(await tokens.resolveAfterRejection(grantId, first, FLOW)).toEqual({
      outcome: 'rejected',
    })
    expect(issuer.exchanged).toHaveLength(1)
  })
})

describe('the count of look-ups', () => {
  it('takes the two looks of a call that waits for one miss', async () => {
    const { tokens, present, counted } = await setUp()
    const [grantId] = present('presented-token')
    expect(tokens.peek(grantId)).toBeUndefined()
    await tokens.resolve(grantId, FLOW)
    expect(counted()).toEqual([0, 1])
    expect(tokens.peek(grantId)).toBeDefined()
    expect(counted()).toEqual([1, 1])
  })
})

describe('an exchange that fails', () => {
  it.each<[string, VendorAnswer, Record<string, unknown>]>([
    [
      'a token that is not taken',
      bad('invalid_grant'),
      { outcome: 'gone', reason: 'invalid_grant' },
    ],
    [
      'the same, as Keycloak says it',
      bad('invalid_token'),
      { outcome: 'gone', reason: 'invalid_token' },
    ],
    ['a user who must do more', bad('interaction_required'), { outcome: 'gone' }],
    ['a target that is not known', bad('invalid_target'), { reason: 'upstream_operator' }],
    ['a client that may not', bad('unauthorized_client'), { reason: 'upstream_operator' }],
    ['a client that is not known', bad('invalid_client', 401), { reason: 'upstream_operator' }],
    ['an outage', bad('x', 503), { outcome: 'unavailable', reason: 'upstream_transient' }],
  ])(
    'is a 401 for the client only where its token is at fault: %s',
    async (_, answer, expected) => {
      const { issuer, tokens, present } = await setUp()
      const [grantId] = present('presented-token')
      issuer.refuseExchange(answer)
      expect(await tokens.resolve(grantId, FLOW)).toMatchObject(expected)
      const asked = issuer.requests.length
      expect(await tokens.resolve(grantId, FLOW)).toMatchObject(expected)
      expect(issuer.requests).toHaveLength(asked)
    },
  )

  it('leaves what is still good in use', async () => {
    const { issuer, tokens, present, advance } = await setUp()
    const [grantId] = present('presented-token')
    const first = usable(await tokens.resolve(grantId, FLOW)).accessToken
    issuer.refuseExchange(bad('invalid_grant'))
    advance(280)
    expect(usable(tokens.peek(grantId)).accessToken).toBe(first)
    await tokens.close()
    expect(usable(tokens.peek(grantId)).accessToken).toBe(first)
  })

  it('for a token that was forgotten meanwhile is not held against the client', async () => {
    const { tokens } = await setUp()
    expect(await tokens.resolve('x.crm', FLOW)).toMatchObject({ outcome: 'unavailable' })
  })
})

describe('a backend that gets no token of the upstream', () => {
  it('gets an assertion about the user of the token', async () => {
    const { issuer, tokens, present } = await setUp({
      kind: 'assertion',
      audience: 'crm',
      ttlSeconds: 60,
    })
    const [grantId] = present('presented-token')
    const { accessToken = '' } = usable(tokens.peek(grantId))
    expect(decodeJwt(accessToken)).toMatchObject({
      ...{ iss: 'https://mcp.example.com', aud: 'crm', sub: 'alice', idp: issuer.issuer },
      ...{ client_id: 'a-client', email: 'alice@example.com' },
    })
    const again = usable(await tokens.resolveAfterRejection(grantId, accessToken, FLOW))
    expect(again.accessToken).not.toBe(accessToken)
    expect(issuer.requests).toEqual([])
  })

  it('gets nothing where nothing is configured', async () => {
    const { tokens, present } = await setUp({ kind: 'none' })
    const [grantId] = present('presented-token')
    expect(usable(tokens.peek(grantId)).accessToken).toBeUndefined()
  })
})

function bad(error: string, status = 400): VendorAnswer {
  return { status, json: { error } }
}
