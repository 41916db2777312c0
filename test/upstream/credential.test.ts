import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { BackendCredential } from '../../src/upstream/credential.ts'
import type { FreshToken, Usable } from '../../src/upstream/fresh-token.ts'
import { createTokenExchange, type TokenExchange } from '../support/token-exchange.ts'
import { createHouse, type House } from './house.ts'

const FLOW = 'flow-1'
const EXCHANGE: BackendCredential = { kind: 'exchange', audience: 'urn:crm', scope: ['crm.use'] }
const ON_BEHALF_OF: BackendCredential = { kind: 'onBehalfOf', scope: ['api://crm/.default'] }

/** Opaque access tokens: the IdP can end them before their time, and knows them again when they are exchanged. */
async function createExchangeHouse(
  credential = EXCHANGE,
): Promise<House & { exchange: TokenExchange }> {
  const exchange = createTokenExchange()
  const idp = { exchange, jwtAccessTokens: false, accessTokenTtlSeconds: 600 }
  return { ...(await createHouse({ idp, credential })), exchange }
}

function usable(answer: FreshToken): Usable & { accessToken: string } {
  if (answer.outcome !== 'usable' || answer.accessToken === undefined) {
    throw new Error(`expected a token, got ${JSON.stringify(answer)}`)
  }
  return { ...answer, accessToken: answer.accessToken }
}

describe.each([
  [
    'exchange',
    EXCHANGE,
    {
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'urn:crm',
      scope: 'crm.use',
    },
    'urn:crm',
  ],
  [
    'onBehalfOf',
    ON_BEHALF_OF,
    { requested_token_use: 'on_behalf_of', scope: 'api://crm/.default' },
    'api://crm',
  ],
] as const)('credential %s', (_, credential, params, audience) => {
  it('refreshes a stale login first, keeps that, and then exchanges it', async () => {
    const house = await createExchangeHouse(credential)
    const { grantId, version } = await house.openGrant('stale')
    const { accessToken, grant } = usable(await house.createSource().resolve(grantId, FLOW))
    expect(decodeJwt(accessToken)).toMatchObject({ aud: audience, sub: 'alice' })
    expect(house.exchange.requests).toEqual([expect.objectContaining(params)])
    const [request] = house.exchange.requests
    expect(Object.values(request ?? {})).toContain(grant.upstreamTokens.accessToken)
    expect([house.refreshes(), grant.version]).toEqual([1, version + 2])
    expect(await house.store.grants.find(grantId)).toEqual(grant)
  })

  it('exchanges once for any number of calls and replicas', async () => {
    const house = await createExchangeHouse(credential)
    const sources = [house.createSource(), house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('stale')
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, call) => sources[call % 3]?.resolve(grantId, FLOW)),
    )
    const tokens = new Set(answers.map(answer => usable(answer as FreshToken).accessToken))
    expect([tokens.size, house.refreshes(), house.exchange.requests.length]).toEqual([1, 1, 1])
  })
})

describe('an exchanged token', () => {
  it('is judged by its own age: a new one needs no refresh while the login lives', async () => {
    const house = await createExchangeHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const first = usable(await source.resolve(grantId, FLOW))
    house.clock.advance(59)
    const second = usable(await source.resolve(grantId, FLOW))
    expect(second.accessToken).not.toBe(first.accessToken)
    expect([house.refreshes(), house.exchange.requests.length]).toEqual([1, 2])
  })

  it('that its backend refuses is got anew from a refreshed login', async () => {
    const house = await createExchangeHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const { accessToken } = usable(await source.resolve(grantId, FLOW))
    house.clock.advance(10)
    const again = usable(await source.resolveAfterRejection(grantId, accessToken, FLOW))
    expect(again.accessToken).not.toBe(accessToken)
    expect([house.refreshes(), house.exchange.requests.length]).toEqual([2, 2])
  })

  it('is exchanged for a refreshed login where the upstream does not take a token of the login any more', async () => {
    const house = await createExchangeHouse()
    // The IdP has never seen this token, though it looks young.
    const { grantId } = await house.openGrant('fresh')
    const { accessToken } = usable(await house.createSource().resolve(grantId, FLOW))
    expect(decodeJwt(accessToken).aud).toBe('urn:crm')
    expect([house.refreshes(), house.exchange.requests.length]).toEqual([1, 2])
  })

  it('is asked for again with what the configuration says now', async () => {
    const house = await createExchangeHouse()
    const { grantId } = await house.openGrant('stale')
    usable(await house.createSource().resolve(grantId, FLOW))
    const moved: BackendCredential = { kind: 'exchange', audience: 'urn:new', scope: [] }
    const source = house.createSource({
      injectionOf: () => ({ upstream: 'idp', credential: moved }),
    })
    const { accessToken } = usable(await source.resolve(grantId, FLOW))
    expect(decodeJwt(accessToken).aud).toBe('urn:new')
    expect(house.refreshes()).toBe(1)
  })

  it('that needs a step more of the user ends the grant, and keeps the claims for the next login', async () => {
    const house = await createExchangeHouse()
    house.exchange.refuseWith('interaction_required', { claims: '{"access_token":{}}' })
    const { grantId } = await house.openGrant('stale')
    const answer = await house.createSource().resolve(grantId, FLOW)
    expect(answer).toEqual({ outcome: 'gone', reason: 'interaction_required' })
    const grant = await house.store.grants.find(grantId)
    expect(grant?.dead).toMatchObject({ claims: '{"access_token":{}}' })
  })

  it.each(['invalid_target', 'unauthorized_client', 'invalid_scope'])(
    'that the operator has to mend keeps the grant and the refreshed login: %s',
    async error => {
      const house = await createExchangeHouse()
      house.exchange.refuseWith(error)
      const { grantId, upstreamTokens, version } = await house.openGrant('stale')
      const answer = await house.createSource().resolve(grantId, FLOW)
      expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_operator' })
      const kept = await house.store.grants.find(grantId)
      expect([kept?.dead, kept?.version]).toEqual([undefined, version + 1])
      expect(kept?.upstreamTokens.refreshToken).not.toBe(upstreamTokens.refreshToken)
      house.exchange.refuseWith(undefined)
      const { accessToken } = usable(await house.createSource().resolve(grantId, FLOW))
      expect(decodeJwt(accessToken).aud).toBe('urn:crm')
      expect(house.refreshes()).toBe(1)
    },
  )

  it('is tried again where the upstream has stumbled: nothing is spent by it', async () => {
    const house = await createExchangeHouse()
    const { grantId } = await house.openGrant('stale')
    usable(await house.createSource().resolve(grantId, FLOW))
    house.clock.advance(59)
    house.idp.setFault({ kind: 'reset', endpoint: 'token', times: 1 })
    usable(await house.createSource().resolve(grantId, FLOW))
    expect([house.refreshes(), house.exchange.requests.length]).toEqual([1, 2])
  })
})

describe('credential refresh', () => {
  const credential: BackendCredential = {
    kind: 'refresh',
    scope: ['profile'],
    params: {},
  }

  it('does not take the token of the login, however fresh, and asks for its own scope', async () => {
    const house = await createHouse({ credential })
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    const { accessToken } = usable(await source.resolve(grantId, FLOW))
    expect(accessToken).not.toBe(upstreamTokens.accessToken)
    expect(decodeJwt(accessToken).scope).toBe('profile')
    expect(usable(await source.resolve(grantId, FLOW)).accessToken).toBe(accessToken)
    expect(house.refreshes()).toBe(1)
  })

  it('without a refresh token is a fault of the setup, and no reason to sign in again', async () => {
    const house = await createHouse({ credential })
    const now = house.store.now()
    const upstreamTokens = { accessToken: 'a', issuedAt: now, expiresAt: now + 500 }
    const { grantId } = await house.openGrant('fresh', { upstreamTokens })
    const answer = await house.createSource().resolve(grantId, FLOW)
    expect(answer).toMatchObject({ outcome: 'unavailable', reason: 'upstream_operator' })
  })
})

describe('credential none', () => {
  it('gives nothing, and keeps the login fresh', async () => {
    const house = await createHouse({ credential: { kind: 'none' } })
    const { grantId } = await house.openGrant('stale')
    const answer = await house.createSource().resolve(grantId, FLOW)
    expect(answer).toMatchObject({ outcome: 'usable', accessToken: undefined })
    expect(house.refreshes()).toBe(1)
  })
})

describe('a grant of another upstream', () => {
  it('is never used for a backend, from the store or from the cache', async () => {
    const house = await createHouse()
    const { grantId } = await house.openGrant('fresh')
    let upstream = 'idp'
    const source = house.createSource({
      injectionOf: () => ({ upstream, credential: { kind: 'upstream' } }),
    })
    usable(await source.resolve(grantId, FLOW))
    upstream = 'other'
    expect(source.peek(grantId)).toBeUndefined()
    const gone = { outcome: 'gone', reason: 'other_upstream' }
    expect(await source.resolve(grantId, FLOW)).toEqual(gone)
    expect(await source.resolveAfterRejection(grantId, 'x', FLOW)).toEqual(gone)
    expect(house.refreshes()).toBe(0)
  })
})
