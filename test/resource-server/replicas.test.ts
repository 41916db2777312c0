import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { mintKey } from '../../src/domain/key-ring.ts'
import {
  type ExternalIssuer,
  GATEWAY_CLIENT,
  startExternalIssuer,
} from '../support/external-issuer.ts'
import { type Replicas, startReplicas } from '../support/upstreams/replicas.ts'

const CREDENTIAL = { exchange: { audience: 'urn:crm' } }

async function setUp(
  backend: Record<string, unknown> = {},
  server: Record<string, unknown> = {},
): Promise<{
  issuer: ExternalIssuer
  replicas: Replicas
  token: (more?: object) => Promise<string>
}> {
  const issuer = await startExternalIssuer()
  const { clientId, clientSecret } = GATEWAY_CLIENT
  const replicas = await startReplicas({
    more: async (_callback, url) => ({
      keys: [mintKey()],
      auth: 'external',
      authorizationServer: { issuer: issuer.issuer, ...server },
      upstream: { provider: 'oidc', issuer: issuer.issuer, clientId, clientSecret },
      backends: [
        { path: '/crm/mcp', instances: [url], scopes: {}, credential: CREDENTIAL, ...backend },
      ],
    }),
  })
  const token = (more = {}) => issuer.sign(issuer.claims(replicas.resource, { ...more }))
  return { issuer, replicas, token }
}

async function call({ resource }: Replicas, token: string) {
  const response = await fetch(resource, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  })
  await response.text()
  return response
}

describe('auth: external, over two replicas', () => {
  it('each replica exchanges for itself, once, and the backend gets nothing else', async () => {
    const { issuer, replicas, token } = await setUp()
    const presented = await token()
    for (const _call of [1, 2, 3, 4]) expect((await call(replicas, presented)).status).toBe(200)
    expect(new Set(replicas.backendTokens)).toEqual(
      new Set(issuer.exchanged.map(exchanged => `Bearer ${exchanged}`)),
    )
    expect(issuer.exchanged).toHaveLength(2)
    expect(replicas.log()).not.toContain(presented)
    expect(replicas.log()).not.toContain(issuer.exchanged[0])
  })

  it('who may use a backend is asked of the claims of the token, and no login would change the answer', async () => {
    const allow = { any: [{ group: 'crm' }, { claim: 'dept', value: 'sales' }] }
    const { replicas, token } = await setUp({ allow }, { claims: { groups: 'realm.groups' } })
    expect((await call(replicas, await token())).status).toBe(403)
    const refused = await call(replicas, await token({ groups: ['crm'] }))
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([403, null])
    expect((await call(replicas, await token({ realm: { groups: ['crm'] } }))).status).toBe(200)
    expect((await call(replicas, await token({ dept: 'sales' }))).status).toBe(200)
  })

  it('an upstream that does not exchange is an outage, and one that refuses the token a 401', async () => {
    const { issuer, replicas, token } = await setUp()
    issuer.refuseExchange({ status: 503, json: {}, headers: { 'retry-after': '7' } })
    const outage = await call(replicas, await token())
    expect([outage.status, outage.headers.get('retry-after')]).toEqual([503, '7'])
    issuer.refuseExchange({ status: 400, json: { error: 'invalid_grant' } })
    const refused = await call(replicas, await token())
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(replicas.backendTokens).toEqual([])
  })

  it('keys that cannot be had are an outage with Retry-After, never a 401', async () => {
    const { issuer, replicas, token } = await setUp()
    issuer.intercept(({ path }) => (path === '/token' ? undefined : { status: 500, json: {} }))
    const answer = await call(replicas, await token())
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([503, null])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('assertions are about the user of the token, and their keys are served', async () => {
    const { replicas, token } = await setUp({ credential: { assertion: { audience: 'crm' } } })
    expect((await call(replicas, await token({ sub: 'bob' }))).status).toBe(200)
    const [assertion = ''] = replicas.backendTokens.map(field => field.replace('Bearer ', ''))
    expect(decodeJwt(assertion)).toMatchObject({ sub: 'bob', aud: 'crm', client_id: 'a-client' })
    const jwks = await fetch(`${replicas.origin}/jwks`)
    expect(await jwks.json()).toMatchObject({ keys: [{ kty: 'EC' }] })
  })

  it('exchanges are counted by backend and result', async () => {
    const { issuer, replicas, token } = await setUp()
    await call(replicas, await token())
    issuer.refuseExchange({ status: 400, json: { error: 'invalid_target' } })
    await call(replicas, await token({ sub: 'bob' }))
    const text = await replicas.metrics()
    expect(text).toContain('upstream_exchange_seconds_count{backend="crm",result="exchanged"} 1')
    expect(text).toContain('upstream_exchange_seconds_count{backend="crm",result="operator"} 1')
  })

  it('what is kept of tokens and exchanges is counted', async () => {
    const { issuer, replicas, token } = await setUp()
    const alice = await token()
    // Twice at one of two replicas.
    for (let time = 0; time < 3; time += 1) await call(replicas, alice)
    issuer.refuseExchange({ status: 400, json: { error: 'invalid_target' } })
    await call(replicas, await token({ sub: 'bob' }))
    const text = await replicas.metrics()
    for (const cache of ['exchanged_tokens', 'failed_exchanges', 'issuer_metadata', 'issuer_keys'])
      expect(text).toContain(`cache_entries{cache="${cache}"} 1\n`)
    expect(text).toContain('cache_entries{cache="assertions"} 0\n')
    expect(text).toContain('cache_lookups_total{cache="exchanged_tokens",result="hit"} 1\n')
  })
})
