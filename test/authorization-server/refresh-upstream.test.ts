import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/port.ts'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'
import { SCRIPTED_TOKENS, startScriptedIdp } from '../support/scripted-idp.ts'
import { claimsOf, refusalOf, setUp } from './refreshing.ts'
import { refreshRequest, tokensFor } from './sign-in.ts'
import { ISSUER, startIdp } from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterEach(() => idp.clearFaults())
afterAll(() => idp.close())

describe('the IdP during a refresh (DESIGN section 8)', () => {
  it.each([
    ['does not listen', { kind: 'reset' }],
    ['answers 503', { kind: 'status', status: 503, retryAfterSeconds: 60 }],
    ['answers 429', { kind: 'status', status: 429, retryAfterSeconds: 60 }],
    ['answers with a page', { kind: 'html', status: 400 }],
    ['refuses this gateway', { kind: 'error', error: 'invalid_client', status: 401 }],
    ['is not trusted with the scope', { kind: 'error', error: 'invalid_scope' }],
  ] as const)(
    'that %s does not matter: tokens are issued, and the grant lives',
    async (_what, fault) => {
      const { gateway, client, tokens } = await setUp({ idp })
      gateway.clock.advance(101)
      idp.setFault({ endpoint: 'token', ...fault })
      const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
      expect(fresh.expires_in).toBe(900)
      const { grantId } = await claimsOf(gateway, fresh)
      expect((await gateway.store.grants.find(grantId))?.dead).toBeUndefined()
    },
  )

  it('that is down does not matter either, whether the upstream token has ended or not', async () => {
    const own = await startOidcProvider({ redirectUris: [`${ISSUER}/callback`] })
    const { gateway, client, tokens } = await setUp({ idp: own })
    await own.goDown()
    const valid = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    gateway.clock.advance(60)
    await tokensFor(gateway, refreshRequest(client, valid.refresh_token))
    await own.close()
  })

  it.each(['invalid_grant', 'interaction_required', 'login_required', 'consent_required'])(
    'that wants a new login (%s) is invalid_grant, and is not asked again (known failure 41)',
    async error => {
      const { gateway, client, tokens } = await setUp({ idp })
      gateway.clock.advance(101)
      idp.setFault({
        endpoint: 'token',
        kind: 'error',
        error,
        fields: { error_description: 'its words' },
      })
      const response = await gateway.post('/token', refreshRequest(client, tokens.refresh_token))
      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({
        error: 'invalid_grant',
        error_description: 'the refresh token cannot be redeemed',
      })
      const { requests } = idp.counts.refresh
      expect(await refusalOf(gateway, client, tokens.refresh_token)).toBe('invalid_grant')
      expect(idp.counts.refresh.requests).toBe(requests)
    },
  )

  it('whose user was removed gives nothing more', async () => {
    const own = await startOidcProvider({ redirectUris: [`${ISSUER}/callback`] })
    const { gateway, client, tokens } = await setUp({ idp: own })
    own.revokeUser('alice')
    gateway.clock.advance(60)
    expect(await refusalOf(gateway, client, tokens.refresh_token)).toBe('invalid_grant')
    await own.close()
  })

  it('that answers with tokens of somebody else gives nothing more', async () => {
    const scripted = await startScriptedIdp()
    const { gateway, client, tokens } = await setUp({ idp: scripted })
    scripted.answerToken(async request => ({
      ...SCRIPTED_TOKENS,
      id_token: await scripted.signIdToken(request, { sub: 'mallory' }),
    }))
    gateway.clock.advance(SCRIPTED_TOKENS.expires_in)
    expect(await refusalOf(gateway, client, tokens.refresh_token)).toBe('invalid_grant')
    await scripted.close()
  })

  it('prolongs the grant by what the store has, where this replica has not heard of it yet', async () => {
    const unheard = (store: Store): Store => ({
      ...store,
      invalidations: { ...store.invalidations, subscribe: () => () => {} },
    })
    const { gateway, client, tokens } = await setUp({ idp, store: unheard })
    const { grantId } = await claimsOf(gateway, tokens)
    const { grants } = gateway.store
    const renewElsewhere = async (refreshSeconds: number): Promise<void> => {
      const { lease, grant } = (await grants.claimUpstreamRefresh(grantId, 'elsewhere'))!
      const now = gateway.clock.now()
      const life = { issuedAt: now, expiresAt: now + 3600, refreshExpiresAt: now + refreshSeconds }
      const upstreamTokens = { ...grant.upstreamTokens, ...life }
      await grants.replaceUpstreamTokens(lease, grant.version, { tokens: upstreamTokens })
      await grants.releaseLease(lease)
    }
    await renewElsewhere(300)
    await gateway.server.tokens.resolve(grantId, 'a call')
    await renewElsewhere(1800)
    const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    gateway.clock.advance(600)
    await tokensFor(gateway, refreshRequest(client, fresh.refresh_token))
  })
})
